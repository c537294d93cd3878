// How far V8 lets a heap grow before it collects all of it. It counts buffers towards that, and once a process was idle it lets a
// heap grow by a third of what lives: one that is small, and passes megabytes on, would then be collected whole every few of
// them, which costs several times as much as passing them on. What nobody needs of the buffers goes by small collections.
import { setFlagsFromString } from "node:v8";

/** Of what lives. V8 itself takes up to 300 while a process is busy. */
const GROWTH_PERCENT = 400;

/** To be called once, at the start of a process that passes bytes on. */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
