// Which slots of a runner may fail, and who is told. Invariant: a slot fails once for each time that it was open, and no
// failure is lost before somebody listens.
import { SwitchyardError } from "../core/errors.js";

type Listener = (slot: number, error: SwitchyardError) => void;

const ERROR_CHARS_MAX = 1000;

export class SlotFailures {
  readonly #mayFail = new Set<number>();
  readonly #early: [slot: number, error: SwitchyardError][] = [];
  #listener: Listener | undefined;

  /** It is open, or about to be. */
  expect(slot: number): void {
    this.#mayFail.add(slot);
  }

  listen(listener: Listener): void {
    this.#listener = listener;
    for (const [slot, error] of this.#early.splice(0)) listener(slot, error);
  }

  /** False when it cannot have failed. */
  failed(slot: number, why: string): boolean {
    if (!this.#mayFail.delete(slot)) return false;
    const error = new SwitchyardError("RUNNER_LOST", why.slice(0, ERROR_CHARS_MAX));
    if (this.#listener) this.#listener(slot, error);
    else this.#early.push([slot, error]);
    return true;
  }
}
