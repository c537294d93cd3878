// Which results the caller has, and which of these the server may not know of yet. An acknowledgement gets no answer, so it
// is sure only when a call that was first sent after it on the same stream was answered; until then it is sent again on
// a new stream, and a repeated result is known as such.

export class AckBook {
  /** Not written on this stream. */
  readonly #due = new Set<string>();
  /** Written on this stream, by the number of its frame; in that order. */
  readonly #unsure = new Map<string, number>();

  owe(uniqId: string): void {
    if (!this.#unsure.has(uniqId)) this.#due.add(uniqId);
  }

  /** Whether the caller has this result, as far as the book still knows. */
  has(uniqId: string): boolean {
    return this.#due.has(uniqId) || this.#unsure.has(uniqId);
  }

  get due(): number {
    return this.#due.size;
  }

  /** What is to be written in the frame of this number. */
  take(frame: number, most: number): string[] {
    const taken: string[] = [];
    for (const uniqId of this.#due) {
      if (taken.length === most) break;
      taken.push(uniqId);
      this.#due.delete(uniqId);
      this.#unsure.set(uniqId, frame);
    }
    return taken;
  }

  /** The server has read the frame of this number, and so all before it. */
  confirm(frame: number): void {
    for (const [uniqId, written] of this.#unsure) {
      if (written >= frame) return;
      this.#unsure.delete(uniqId);
    }
  }

  /** A new stream of the same life. */
  restart(): void {
    for (const uniqId of this.#unsure.keys()) this.#due.add(uniqId);
    this.#unsure.clear();
  }

  /** A new life, which knows no call of the old one. */
  clear(): void {
    this.#due.clear();
    this.#unsure.clear();
  }
}
