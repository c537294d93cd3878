// A signal that is aborted with the first of some others. AbortSignal.any leaves something behind at each of its sources,
// which adds up where one source lives for days.
import { setMaxListeners } from "node:events";

export interface LinkedSignal {
  readonly signal: AbortSignal;
  /** To be called when it is over. */
  unlink(): void;
}

export function linkedSignal(sources: readonly AbortSignal[]): LinkedSignal {
  const controller = new AbortController();
  const abort = (event: Event) => {
    if (event.target instanceof AbortSignal) controller.abort(event.target.reason);
  };
  for (const source of sources) {
    setMaxListeners(0, source);
    if (source.aborted) controller.abort(source.reason);
    source.addEventListener("abort", abort, { once: true });
  }
  return {
    signal: controller.signal,
    unlink: () => {
      for (const source of sources) source.removeEventListener("abort", abort);
    },
  };
}
