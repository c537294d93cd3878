// One listener per signal, however many calls and trajectories share it: Node warns of a leak at eleven.

interface Watch {
  readonly acts: Set<() => void>;
  readonly stop: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/** Calls `act` once, when the signal is aborted; it must not be aborted yet. Returns how to forget that. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => {};
  const watch = watches.get(signal) ?? watchOf(signal);
  // A function of its own, so that the same act may wait twice.
  const mine = () => act();
  watch.acts.add(mine);
  return () => {
    if (watch.acts.delete(mine) && watch.acts.size === 0) watch.stop();
  };
}

function watchOf(signal: AbortSignal): Watch {
  const acts = new Set<() => void>();
  const fire = () => {
    watches.delete(signal);
    for (const act of acts) act();
  };
  const stop = () => {
    watches.delete(signal);
    signal.removeEventListener("abort", fire);
  };
  signal.addEventListener("abort", fire, { once: true });
  const watch = { acts, stop };
  watches.set(signal, watch);
  return watch;
}
