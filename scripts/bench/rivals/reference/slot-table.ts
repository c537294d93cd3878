// Which trajectory has which slot of the reference's containers. A trajectory keeps its slot until it is released; who finds none
// free waits, first come first served.

export class SlotTable<Place> {
  readonly #free: Place[];
  readonly #held = new Map<string, Promise<Place>>();
  readonly #waiting: { resolve: (place: Place) => void; reject: (error: Error) => void }[] = [];

  constructor(
    places: readonly Place[],
    /** Wipes a slot before another trajectory gets it. */
    private readonly reset: (place: Place) => Promise<void>,
  ) {
    this.#free = [...places];
  }

  acquire(trajectoryId: string): Promise<Place> {
    const held = this.#held.get(trajectoryId) ?? this.#next();
    this.#held.set(trajectoryId, held);
    return held;
  }

  async release(trajectoryId: string): Promise<void> {
    const held = this.#held.get(trajectoryId);
    if (held === undefined) return;
    this.#held.delete(trajectoryId);
    const place = await held;
    await this.reset(place);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#free.push(place);
    else waiting.resolve(place);
  }

  /** Nobody waits any longer. */
  close(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error("closed"));
  }

  #next(): Promise<Place> {
    const place = this.#free.shift();
    if (place !== undefined) return Promise.resolve(place);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}
