// Watches from outside that waiting is fair. A grant is seen a moment after it was made, so a group that keeps waiting
// may see one turn of another that belongs to the time before: two are allowed where the queue itself allows one.

const TURNS_MAX = 2;

export class TurnWatch {
  readonly #waiting = new Map<string, number>();
  /** For each waiting group, the turns that others had since its own last. */
  readonly #turns = new Map<string, Map<string, number>>();

  constructor(private readonly unfair: (what: string) => void) {}

  waits(group: string): void {
    const waiting = this.#waiting.get(group) ?? 0;
    if (waiting === 0) this.#turns.set(group, new Map());
    this.#waiting.set(group, waiting + 1);
  }

  served(group: string): void {
    for (const [other, turns] of this.#turns) {
      if (other === group) continue;
      const count = (turns.get(group) ?? 0) + 1;
      turns.set(group, count);
      if (count > TURNS_MAX) this.unfair(`${group} had ${count} turns while ${other} waited`);
    }
    this.#leave(group);
    if (this.#waiting.get(group)) this.#turns.set(group, new Map());
  }

  gaveUp(group: string): void {
    this.#leave(group);
  }

  #leave(group: string): void {
    const waiting = (this.#waiting.get(group) ?? 0) - 1;
    this.#waiting.set(group, waiting);
    if (waiting === 0) this.#turns.delete(group);
  }
}
