// Those who wait for a slot. Owns their promises. Invariant: each is granted a slot, failed, or aborted, exactly once,
// and one that was aborted is never granted.
import type { Principal } from "../core/principal.js";
import { PrincipalQueue } from "./principal-queue.js";
import type { LeasedSlot } from "./slot.js";

interface Waiter {
  grant(slot: LeasedSlot): void;
  fail(error: unknown): void;
}

export class Waiters {
  readonly #queue = new PrincipalQueue<Waiter>();

  get size(): number {
    return this.#queue.size;
  }

  wait(principal: Principal, group: string, signal: AbortSignal | undefined): Promise<LeasedSlot> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const abort = () => {
        if (waiting.remove()) reject(signal?.reason);
      };
      const served = () => signal?.removeEventListener("abort", abort);
      const waiting = this.#queue.push(principal, group, {
        grant: (slot) => {
          served();
          resolve(slot);
        },
        fail: (error) => {
          served();
          reject(error);
        },
      });
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Only while somebody waits. */
  grantNext(slot: LeasedSlot): void {
    this.#queue.shift()?.grant(slot);
  }

  failAll(error: unknown): void {
    for (let waiter = this.#queue.shift(); waiter; waiter = this.#queue.shift()) waiter.fail(error);
  }
}
