// How long launchers may take, of all slots together: on a busy machine each takes longer, and none of them hangs.
import { systemClock } from "../../core/clock.js";
import { Patience } from "../../core/patience.js";

/** For anything, while none of the others answers either; one that takes longer is destroyed with its sandbox. */
export const answers = new Patience(systemClock, 5_000);
/** Until it runs: many sandboxes may be made at once. Less than the server waits for an open slot. */
export const starts = new Patience(systemClock, 25_000);
