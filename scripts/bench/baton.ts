// Who may measure: rows run side by side, one at a time uses the machine, and each gives way to the others between two turns. So
// every row meets the whole time of a run, and no row's value is that of the one minute in which it happened to be measured.

interface Waiting {
  /** How much of it is done, 0 to 1. */
  readonly share: number;
  readonly go: () => void;
}

export class Baton {
  #isHeld = false;
  readonly #waiting: Waiting[] = [];

  /** `work` while nobody else has the baton, but for when it gives way. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    await this.#take(0);
    try {
      return await work();
    } finally {
      this.#pass();
    }
  }

  /** By who holds it: whoever has less done goes first. */
  async giveWay(share: number): Promise<void> {
    const turn = this.#take(share);
    this.#pass();
    await turn;
  }

  /** By who holds it: resolves as `result` does, which may be work of another who needs the baton. */
  async aside<T>(result: Promise<T>): Promise<T> {
    this.#pass();
    try {
      return await result;
    } finally {
      await this.#take(1);
    }
  }

  #take(share: number): Promise<void> {
    return new Promise((go) => {
      if (this.#isHeld) {
        this.#waiting.push({ share, go });
        return;
      }
      this.#isHeld = true;
      go();
    });
  }

  #pass(): void {
    const least = Math.min(...this.#waiting.map(({ share }) => share));
    const at = this.#waiting.findIndex(({ share }) => share === least);
    const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
    this.#isHeld = next !== undefined;
    next?.go();
  }
}
