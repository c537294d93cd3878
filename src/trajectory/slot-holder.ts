// The one slot of a trajectory: acquired at the first need, held until it is lost or given back.
//
//   none ─need→ acquiring ─granted→ held ─lost / give back→ none
//          ↑        └─ failed / withdrawn ─→ none
//
// Invariant: at most one acquire is under way, so racing first calls end with one slot.

import type { Runner, SlotBinding } from "../backend/backend.js";
import { messageOf, SwitchyardError } from "../core/errors.js";

/** A slot in the hands of a trajectory, as the pool gives it. */
export interface HeldSlot {
  readonly id: string;
  readonly index: number;
  readonly runner: Runner;
  /** Of its container, as external tools are told. */
  readonly address: string;
  bind(binding: SlotBinding): void;
  onLost(listener: (why: SwitchyardError) => void): void;
}

export interface SlotSource<S extends HeldSlot = HeldSlot> {
  acquire(options: { readonly group: string; readonly signal: AbortSignal }): Promise<S>;
  /** Resolves true when the slot was verifiably wiped; never rejects. */
  release(slot: S): Promise<boolean>;
  /** Why a slot is waited for, when there may be free ones. */
  whyWaiting?(): string | undefined;
}

export interface SlotHolderEvents {
  acquired(slot: HeldSlot): void;
  failed(error: SwitchyardError): void;
  lost(generation: number, why: SwitchyardError): void;
}

type State<S> =
  | { readonly kind: "none" }
  | { readonly kind: "acquiring"; readonly abort: AbortController }
  | { readonly kind: "held"; readonly slot: S };

export class SlotHolder<S extends HeldSlot = HeldSlot> {
  #state: State<S> = { kind: "none" };
  #generation = 0;

  constructor(
    private readonly source: SlotSource<S>,
    private readonly group: string,
    /** The binding of a slot, as it is now. */
    private readonly bindingOf: (generation: number) => SlotBinding,
    private readonly events: SlotHolderEvents,
  ) {}

  get slot(): S | undefined {
    return this.#state.kind === "held" ? this.#state.slot : undefined;
  }

  /** Of the slot that is held; 0 without one. */
  get generation(): number {
    return this.#state.kind === "held" ? this.#generation : 0;
  }

  /** Of the slot that is acquired next, or is being acquired. */
  get nextGeneration(): number {
    return this.#generation + 1;
  }

  /** Begins to acquire unless that was done; one of the events tells how it ended. */
  need(): void {
    if (this.#state.kind !== "none") return;
    const abort = new AbortController();
    this.#state = { kind: "acquiring", abort };
    this.source.acquire({ group: this.group, signal: abort.signal }).then(
      (slot) => this.#granted(abort, slot),
      (error: unknown) => this.#refused(abort, error),
    );
  }

  /** Why a slot is waited for, when there may be free ones. */
  get whyWaiting(): string | undefined {
    return this.#state.kind === "acquiring" ? this.source.whyWaiting?.() : undefined;
  }

  /** Holds a slot that the trajectory had under an earlier server. */
  restore(slot: S, generation: number): void {
    this.#generation = generation;
    this.#hold(slot);
  }

  /** Tells the runner what has changed of the binding. */
  rebind(): void {
    if (this.#state.kind !== "held") return;
    try {
      this.#state.slot.bind(this.bindingOf(this.#generation));
    } catch {
      // It is being lost, and its holder will be told.
    }
  }

  /** Stops waiting for a slot; one that is held stays. */
  withdraw(): void {
    if (this.#state.kind !== "acquiring") return;
    const { abort } = this.#state;
    this.#state = { kind: "none" };
    abort.abort(new SwitchyardError("TRAJECTORY_ENDED", "no longer wanted"));
  }

  /** Resolves true when there was no slot, or it was verifiably wiped. */
  giveBack(): Promise<boolean> {
    this.withdraw();
    if (this.#state.kind !== "held") return Promise.resolve(true);
    const { slot } = this.#state;
    this.#state = { kind: "none" };
    return this.source.release(slot);
  }

  #granted(abort: AbortController, slot: S): void {
    if (this.#state.kind !== "acquiring" || this.#state.abort !== abort) {
      void this.source.release(slot);
      return;
    }
    this.#generation += 1;
    try {
      slot.bind(this.bindingOf(this.#generation));
    } catch (error) {
      this.#state = { kind: "none" };
      void this.source.release(slot);
      this.events.failed(acquireFailed(error));
      return;
    }
    this.#hold(slot);
    this.events.acquired(slot);
  }

  #hold(slot: S): void {
    const generation = this.#generation;
    this.#state = { kind: "held", slot };
    slot.onLost((why) => {
      if (this.#state.kind !== "held" || this.#state.slot !== slot) return;
      this.#state = { kind: "none" };
      this.events.lost(generation, why);
      void this.source.release(slot);
    });
  }

  #refused(abort: AbortController, error: unknown): void {
    if (this.#state.kind !== "acquiring" || this.#state.abort !== abort) return;
    this.#state = { kind: "none" };
    this.events.failed(acquireFailed(error));
  }
}

const PREFIX = "Failed to acquire slot: ";

function acquireFailed(error: unknown): SwitchyardError {
  const message = messageOf(error);
  const reason = error instanceof SwitchyardError ? error.reason : "ACQUIRE_FAILED";
  return new SwitchyardError(reason, message.startsWith(PREFIX) ? message : PREFIX + message, { cause: error });
}
