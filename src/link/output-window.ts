// How much of a call's live output may be on its way from a runner: both ends hold to it, and the server takes more for a
// violation. It is what one call with a client that does not read can cost the server.

/** Bytes that were sent and not yet passed on to the client. */
export const OUTPUT_WINDOW_BYTES = 1024 * 1024;
/** Frames of the same, since small ones cost more than their bytes. */
export const OUTPUT_WINDOW_FRAMES = 64;
/** Of one frame. */
export const OUTPUT_CHUNK_BYTES = 256 * 1024;
