// Who is served next among principals: by turns, and within one by its groups. Owns only the order. Invariant: however many
// groups a principal has, it has one turn in each round of those who wait.
import type { Principal } from "../core/principal.js";
import { FairQueue, type Waiting } from "./fair-queue.js";

interface Line<T> {
  readonly principal: Principal;
  readonly items: FairQueue<T>;
  turn: Waiting;
}

export class PrincipalQueue<T> {
  /** Each principal that waits, once. */
  readonly #round = new FairQueue<Line<T>>();
  readonly #lines = new Map<Principal, Line<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(principal: Principal, group: string, item: T): Waiting {
    const line = this.#lines.get(principal) ?? this.#enter(principal);
    const waiting = line.items.push(group, item);
    this.#size += 1;
    return {
      remove: () => {
        if (!waiting.remove()) return false;
        this.#size -= 1;
        if (line.items.size === 0) this.#leave(line);
        return true;
      },
    };
  }

  /** The item whose turn it is; its principal goes to the end of the round. */
  shift(): T | undefined {
    const line = this.#round.shift();
    const item = line?.items.shift();
    if (!line || item === undefined) return undefined;
    this.#size -= 1;
    if (line.items.size === 0) this.#lines.delete(line.principal);
    else line.turn = this.#round.push(line.principal, line);
    return item;
  }

  #enter(principal: Principal): Line<T> {
    const items = new FairQueue<T>();
    const line: Line<T> = { principal, items, turn: { remove: () => false } };
    line.turn = this.#round.push(principal, line);
    this.#lines.set(principal, line);
    return line;
  }

  #leave(line: Line<T>): void {
    line.turn.remove();
    this.#lines.delete(line.principal);
  }
}
