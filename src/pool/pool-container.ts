// One container of a pool with its slots: opens them, leases them, wipes them after each lease, and knows when nobody
// uses it any more. Owns its slots' states. Invariant: a slot is leased only while the container serves, and is wiped
// and opened anew between two leases, or its container ends with the first.
import type { AdoptedSlot, Container } from "../backend/backend.js";
import type { Clock } from "../core/clock.js";
import { messageOf, SwitchyardError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { Patience } from "../core/patience.js";
import { type LeasedSlot, Slot, type SlotState } from "./slot.js";

export interface PoolContainerOptions {
  readonly container: Container;
  readonly clock: Clock;
  readonly log: Logger;
  readonly slotTimeoutS: number;
  /** A slot became ready or was taken out of use, or the container died. Never from within lease, release or retire. */
  readonly onChange: () => void;
  /** A wiped slot could not be opened anew: as bad a sign as a failed start. */
  readonly onReopenFailed: (beganMs: number, error: unknown) => void;
}

export class PoolContainer {
  readonly container: Container;
  readonly slots: readonly Slot[];
  /** Kept, as every change in the pool asks for them. */
  readonly #counts: Record<SlotState, number>;
  readonly #releases = new WeakMap<LeasedSlot, Promise<boolean>>();
  /** With the openings and wipes of its slots. */
  readonly #patience: Patience;
  /** Rejects what waits for the runner, when it dies. */
  readonly #giveUps = new Set<(why: SwitchyardError) => void>();
  /** Slots whose sandbox died before they were known to be open. */
  readonly #failedEarly = new Map<Slot, SwitchyardError>();
  #lost: SwitchyardError | undefined;
  #retiring = false;
  #freeSinceMs: number;

  constructor(private readonly options: PoolContainerOptions) {
    this.container = options.container;
    const { slots } = options.container.runner;
    this.#counts = { opening: slots, ready: 0, leased: 0, closing: 0, quarantined: 0, dead: 0 };
    const onBecame = (before: SlotState, now: SlotState) => {
      this.#counts[before] -= 1;
      this.#counts[now] += 1;
    };
    this.slots = Array.from({ length: slots }, (_, index) => new Slot(options.container, index, onBecame));
    this.#freeSinceMs = options.clock.now();
    this.#patience = new Patience(options.clock, options.slotTimeoutS * 1000);
    void options.container.runner.lost.then((why) => this.die(why));
    options.container.runner.onSlotFailed((index, why) => this.#slotFailed(index, why));
  }

  /** Takes the slots over as an earlier server left them; each that is leased, by index. Then comes `settle`. */
  adopt(slots: readonly AdoptedSlot[]): (LeasedSlot | undefined)[] {
    return this.slots.map((slot, index) => {
      if (slots[index]?.lease) return slot.adopt();
      slot.opened();
      return undefined;
    });
  }

  /** Opens what an earlier server left closed, and tells the holders of slots that died that they are lost. */
  settle(slots: readonly AdoptedSlot[]): void {
    const why = new SwitchyardError("RUNNER_LOST", "its sandbox died");
    for (const [index, { open }] of slots.entries()) if (!open) this.#slotFailed(index, why);
  }

  /** Rejects when one slot cannot be opened, or the container dies first. */
  async open(): Promise<void> {
    await Promise.all(this.slots.map((slot) => this.#within(() => this.container.runner.openSlot(slot.index))));
    if (this.#lost) throw this.#lost;
    for (const slot of this.slots) this.#opened(slot);
  }

  /** Whether it takes new leases. */
  get serving(): boolean {
    return !this.#retiring && !this.#lost;
  }

  get lost(): boolean {
    return this.#lost !== undefined;
  }

  get whyLost(): string | undefined {
    return this.#lost?.message;
  }

  /** Whether it may be destroyed: it died, or it retires and its last slot is free. */
  get finished(): boolean {
    return this.lost || (this.#retiring && this.count("leased") + this.count("closing") === 0);
  }

  /** Undefined while a slot is in use. */
  get idleSinceMs(): number | undefined {
    return this.count("ready") === this.slots.length ? this.#freeSinceMs : undefined;
  }

  count(state: SlotState): number {
    return this.#counts[state];
  }

  lease(): LeasedSlot | undefined {
    if (!this.serving || this.#counts.ready === 0) return undefined;
    return this.slots.find((slot) => slot.state === "ready")?.lease();
  }

  /** Resolves with whether the slot was verifiably wiped; the reopening goes on behind. Idempotent; never rejects. */
  release(leased: LeasedSlot): Promise<boolean> {
    const release = this.#releases.get(leased) ?? this.#wipeAfter(leased);
    this.#releases.set(leased, release);
    return release;
  }

  /** No new leases from now on. */
  retire(): void {
    this.#retiring = true;
  }

  /** All slots are dead from now on, and their holders are told. Idempotent. */
  die(why: SwitchyardError): void {
    if (this.#lost) return;
    this.#lost = why;
    for (const slot of this.slots) this.#guard("listener of a lost slot threw", slot, () => slot.die(why));
    for (const giveUp of [...this.#giveUps]) giveUp(why);
    this.options.onChange();
  }

  #slotFailed(index: number, why: SwitchyardError): void {
    const slot = this.slots[index];
    if (slot?.state === "ready") {
      slot.closing();
      void this.#wipe(slot);
    } else if (slot?.holder) {
      const { holder } = slot;
      void this.release(holder);
      this.#guard("listener of a lost slot threw", slot, () => holder.lose(why));
    } else if (slot) this.#failedEarly.set(slot, why);
  }

  #wipeAfter(leased: LeasedSlot): Promise<boolean> {
    const slot = this.slots[leased.index];
    if (slot?.holder !== leased) return Promise.resolve(false);
    slot.closing();
    return this.#wipe(slot);
  }

  async #wipe(slot: Slot): Promise<boolean> {
    if (this.container.runner.isolation === "container") return this.#discard(slot);
    try {
      await this.#within(() => this.container.runner.closeSlot(slot.index));
    } catch (error) {
      this.#takeOut(slot, "wipe failed", error);
      return false;
    }
    void this.#reopen(slot);
    return true;
  }

  /** Its one slot had power over the whole container, so the container goes with it. */
  async #discard(slot: Slot): Promise<boolean> {
    this.#retiring = true;
    try {
      await this.container.destroy();
      return true;
    } catch (error) {
      this.#takeOut(slot, "container could not be destroyed", error);
      return false;
    }
  }

  async #reopen(slot: Slot): Promise<void> {
    const beganMs = this.options.clock.now();
    this.#failedEarly.delete(slot);
    try {
      if (!this.#retiring) await this.#within(() => this.container.runner.openSlot(slot.index));
    } catch (error) {
      if (!this.#lost) this.options.onReopenFailed(beganMs, error);
      this.#takeOut(slot, "slot could not be opened anew", error);
      return;
    }
    if (slot.state !== "closing") return;
    if (this.#retiring) slot.quarantine();
    else this.#opened(slot);
    this.options.onChange();
  }

  #opened(slot: Slot): void {
    slot.opened();
    this.#freeSinceMs = this.options.clock.now();
    const failed = this.#failedEarly.get(slot);
    this.#failedEarly.delete(slot);
    if (failed) this.#slotFailed(slot.index, failed);
  }

  #takeOut(slot: Slot, what: string, error: unknown): void {
    if (slot.state !== "closing") return;
    this.#note("warn", `${what}: slot quarantined, container retires`, slot, error);
    slot.quarantine();
    this.#retiring = true;
    this.options.onChange();
  }

  #guard(what: string, slot: Slot, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#note("error", what, slot, error);
    }
  }

  #note(level: "warn" | "error", message: string, slot: Slot, error: unknown): void {
    const fields = { container_id: this.container.id, slot: slot.index, error: messageOf(error) };
    this.options.log[level](fields, message);
  }

  /** Waits for the runner, but not while slotTimeoutS pass without any answer, nor past its death. */
  #within(work: () => Promise<void>): Promise<void> {
    const { slotTimeoutS } = this.options;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        limit.cancel();
        this.#giveUps.delete(giveUp);
        act();
      };
      const giveUp = (why: SwitchyardError) => settle(() => reject(why));
      const late = new SwitchyardError("RUNNER_LOST", `runner did not answer within ${slotTimeoutS} s`);
      const limit = this.#patience.begin(() => giveUp(late));
      this.#giveUps.add(giveUp);
      if (this.#lost) return giveUp(this.#lost);
      (async () => work())().then(
        () => {
          this.#patience.done();
          settle(resolve);
        },
        (error: unknown) => settle(() => reject(error)),
      );
    });
  }
}
