// How many slots the trajectories of one principal have, over all pools. Who comes when it has all it may have waits here, by
// turns of its groups, and stands in no pool's queue: so it takes nobody's turn there. Invariant: a slot counts from the
// moment that it is asked for until it was given back and wiped.
import type { Principal } from "../core/principal.js";
import { FairQueue } from "../pool/fair-queue.js";
import type { HeldSlot, SlotSource } from "./slot-holder.js";

interface Wish {
  readonly group: string;
  readonly signal: AbortSignal;
}

/** A pool, as it is asked. */
export interface PoolSlots<S extends HeldSlot = HeldSlot> {
  acquire(wish: Wish & { readonly principal: Principal }): Promise<S>;
  /** Resolves true when the slot was verifiably wiped; never rejects. */
  release(slot: S): Promise<boolean>;
}

export class SlotQuota {
  readonly #waiting = new FairQueue<() => void>();
  readonly #held = new Set<HeldSlot>();
  /** Those that are held, and those that are being acquired. */
  #taken = 0;

  constructor(
    private readonly principal: Principal,
    /** 0: any number. */
    private readonly slotsMax: () => number,
  ) {}

  /** The pool, as a trajectory of this principal sees it. */
  of(pool: PoolSlots): SlotSource {
    return {
      acquire: (wish) => this.#acquire(pool, wish),
      release: (slot) => this.#release(pool, slot),
      whyWaiting: () => this.#why(),
    };
  }

  /** A slot that a trajectory has from an earlier server; it counts even when it is one too many. */
  adopt(slot: HeldSlot): void {
    this.#held.add(slot);
    this.#taken += 1;
  }

  /** Lets in who may come in; to be called when the limit has changed, too. */
  pump(): void {
    while (!this.#isFull) {
      const enter = this.#waiting.shift();
      if (!enter) return;
      enter();
    }
  }

  get #isFull(): boolean {
    const max = this.slotsMax();
    return max > 0 && this.#taken >= max;
  }

  #why(): string | undefined {
    return this.#isFull
      ? `this token's trajectories have the ${this.slotsMax()} slots that they may have (slots_max)`
      : undefined;
  }

  async #acquire(pool: PoolSlots, wish: Wish): Promise<HeldSlot> {
    if (this.#isFull) await this.#turn(wish);
    else this.#taken += 1;
    try {
      const slot = await pool.acquire({ ...wish, principal: this.principal });
      this.#held.add(slot);
      return slot;
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** Rejects with the signal's reason. */
  #turn({ group, signal }: Wish): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        if (waiting.remove()) reject(signal.reason);
      };
      const waiting = this.#waiting.push(group, () => {
        signal.removeEventListener("abort", giveUp);
        this.#taken += 1;
        resolve();
      });
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  async #release(pool: PoolSlots, slot: HeldSlot): Promise<boolean> {
    const wiped = await pool.release(slot);
    if (this.#held.delete(slot)) this.#leave();
    return wiped;
  }

  #leave(): void {
    this.#taken -= 1;
    this.pump();
  }
}
