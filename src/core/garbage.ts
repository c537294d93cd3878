// How V8 collects the garbage of a process that passes bytes on.
import { setFlagsFromString } from "node:v8";

/**
 * How far a heap may grow before it is collected whole, of what lives; V8 itself takes up to 300 while a process is busy. It counts
 * buffers towards that, and once a process was idle it lets a heap grow by a third only: one that is small, and passes
 * megabytes on, would then be collected whole every few of them, which costs several times as much as passing them on. What
 * nobody needs of the buffers goes by small collections.
 */
const GROWTH_PERCENT = 400;

/**
 * Small collections by the thread that needs them: they take a millisecond or two, and to wake a helper for each costs as much
 * where its processor has something else to do, a tenth of the server's time on two processors.
 */
const HELPERS = "--no-parallel-scavenge";

/** To be called once, at the start. */
export function collectSparingly(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  setFlagsFromString(HELPERS);
}
