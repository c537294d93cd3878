// How many calls one external server has at a time, in all and of one trajectory. Who waits is let in by turns among
// trajectories, first come first within one. Invariant: every `enter` that resolves is undone once, by what it gave.

interface Waiter {
  enter(): void;
}

export class FairGate {
  #inside = 0;
  readonly #insideOf = new Map<string, number>();
  /** By trajectory; the one whose turn is next comes first. */
  readonly #waiting = new Map<string, Waiter[]>();

  constructor(
    private readonly max: number,
    private readonly ofOneMax: number,
  ) {}

  /** Resolves with what leaves again; rejects with the signal's reason. */
  enter(trajectoryId: string, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const giveUp = () => {
        const line = this.#waiting.get(trajectoryId)?.filter((other) => other !== waiter) ?? [];
        if (line.length > 0) this.#waiting.set(trajectoryId, line);
        else this.#waiting.delete(trajectoryId);
        reject(signal.reason);
      };
      const waiter = {
        enter: () => {
          signal.removeEventListener("abort", giveUp);
          resolve(this.#leaver(trajectoryId));
        },
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.set(trajectoryId, [...(this.#waiting.get(trajectoryId) ?? []), waiter]);
      this.#letIn();
    });
  }

  #letIn(): void {
    while (this.#inside < this.max) {
      const next = [...this.#waiting].find(([id]) => (this.#insideOf.get(id) ?? 0) < this.ofOneMax);
      const [id, [first, ...rest] = []] = next ?? [];
      if (id === undefined || first === undefined) return;
      this.#waiting.delete(id);
      if (rest.length > 0) this.#waiting.set(id, rest);
      this.#inside += 1;
      this.#insideOf.set(id, (this.#insideOf.get(id) ?? 0) + 1);
      first.enter();
    }
  }

  #leaver(trajectoryId: string): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#inside -= 1;
      const others = (this.#insideOf.get(trajectoryId) ?? 1) - 1;
      if (others > 0) this.#insideOf.set(trajectoryId, others);
      else this.#insideOf.delete(trajectoryId);
      this.#letIn();
    };
  }
}
