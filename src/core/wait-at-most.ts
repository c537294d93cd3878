// A wait with an end.
import type { Clock, Timer } from "./clock.js";

/** Resolves when the promise does, or after `ms`, whichever comes first. */
export async function waitAtMost(ms: number, promise: Promise<unknown>, clock: Clock): Promise<void> {
  let timer: Timer | undefined;
  const over = new Promise<void>((resolve) => {
    timer = clock.after(ms, resolve);
  });
  try {
    await Promise.race([promise, over]);
  } finally {
    timer?.cancel();
  }
}
