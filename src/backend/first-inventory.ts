// The first inventory of a link, which may come before anybody asks for it: a container may be up sooner than the engine
// says that it is.
import type { RunnerInventory } from "./inventory.js";

type Taker = (inventory: RunnerInventory) => void;

export class FirstInventory {
  #state: { readonly kind: "none" | "taken" } | { readonly kind: "early"; readonly inventory: RunnerInventory } = {
    kind: "none",
  };
  #taker: Taker | undefined;

  /** False when it is a later one. Of several before anyone asks the newest counts. */
  offer(inventory: RunnerInventory): boolean {
    if (this.#state.kind === "taken") return false;
    if (this.#taker) {
      this.#state = { kind: "taken" };
      this.#taker(inventory);
    } else this.#state = { kind: "early", inventory };
    return true;
  }

  /** Called at once, or as soon as it comes; in the same turn as whatever follows it on the link. */
  take(taker: Taker): void {
    this.#taker = taker;
    if (this.#state.kind === "early") this.offer(this.#state.inventory);
  }
}
