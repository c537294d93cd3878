// How much of a transfer may be on its way, in either direction: both ends hold to it, and the server takes more for a
// violation. It is what a transfer that nobody reads costs each of them.

/** Sent, and not yet passed on: the cost of the frames. */
export const TRANSFER_WINDOW = 512 * 1024;
/** Bytes of one frame. */
export const TRANSFER_CHUNK_BYTES = 64 * 1024;
/** The receiver gives so much of the window back at once, so that it does so seldom and its sender never waits for ever. */
export const TRANSFER_CREDIT = TRANSFER_WINDOW / 4;

/** Small frames cost more than their bytes. */
const FRAME_COST = 1024;

export function transferCost(bytes: number): number {
  return bytes + FRAME_COST;
}

/** How many bytes a frame may have where so much of the window is left; 0: none. */
export function bytesWithin(window: number): number {
  return Math.max(0, Math.min(TRANSFER_CHUNK_BYTES, window - FRAME_COST));
}
