// One slot of a container and the state it is in; owns the transitions, and nothing that takes time.
//
//   opening ──► ready ──► leased ──► closing ──► ready
//                 └───────────────────►┘ └─────► quarantined
//
// `opening`: its first workspace is being made. `ready`: clean, and free. `leased`: a trajectory's. `closing`: being
// wiped and then opened anew, after its lease or because its sandbox died. `quarantined`: nobody gets it again, for its
// wipe or reopening failed or its container retires. From every state it becomes `dead` when its container is gone.
// Invariant: the only way from `leased` back to `ready` is through `closing`.
import type { Container, Runner, SlotBinding } from "../backend/backend.js";
import { SwitchyardError } from "../core/errors.js";

export type SlotState = "opening" | "ready" | "leased" | "closing" | "quarantined" | "dead";

const NEXT: Readonly<Record<SlotState, readonly SlotState[]>> = {
  opening: ["ready", "dead"],
  ready: ["leased", "closing", "dead"],
  leased: ["closing", "dead"],
  closing: ["ready", "quarantined", "dead"],
  quarantined: ["dead"],
  dead: [],
};

export class Slot {
  #state: SlotState = "opening";
  #holder: LeasedSlot | undefined;

  constructor(
    readonly container: Container,
    /** As its runner names it. */
    readonly index: number,
    /** After each transition. */
    private readonly onBecame: (before: SlotState, now: SlotState) => void,
  ) {}

  get state(): SlotState {
    return this.#state;
  }

  get holder(): LeasedSlot | undefined {
    return this.#holder;
  }

  /** A trajectory has it already, from an earlier server. */
  adopt(): LeasedSlot {
    this.opened();
    return this.lease();
  }

  opened(): void {
    this.#become("ready");
  }

  lease(): LeasedSlot {
    this.#become("leased");
    this.#holder = new LeasedSlot(this);
    return this.#holder;
  }

  closing(): void {
    this.#become("closing");
    this.#holder = undefined;
  }

  quarantine(): void {
    this.#become("quarantined");
  }

  /** The holder learns of it at once. */
  die(why: SwitchyardError): void {
    const holder = this.#holder;
    this.#become("dead");
    this.#holder = undefined;
    holder?.lose(why);
  }

  #become(next: SlotState): void {
    if (!NEXT[this.#state].includes(next)) {
      throw new SwitchyardError("INTERNAL", `slot ${this.index}: ${this.#state} cannot become ${next}`);
    }
    const before = this.#state;
    this.#state = next;
    this.onBecame(before, next);
  }
}

/** A slot in the hands of one trajectory. Made anew for each lease, so that a stale one can touch nothing. */
export class LeasedSlot {
  readonly id: string;
  readonly index: number;
  readonly runner: Runner;
  /** Of its container, as external tools are told. */
  readonly address: string;
  #lost: SwitchyardError | undefined;
  #listener: ((why: SwitchyardError) => void) | undefined;

  constructor(private readonly slot: Slot) {
    this.index = slot.index;
    this.runner = slot.container.runner;
    this.address = slot.container.address;
    this.id = `${this.runner.id}:${slot.index}`;
  }

  /** Tells the runner whose slot it is. Throws SLOT_CHANGED when it is lost or released. */
  bind(binding: SlotBinding): void {
    if (this.slot.holder !== this) {
      throw new SwitchyardError("SLOT_CHANGED", this.#lost ? `slot lost: ${this.#lost.message}` : "slot was released");
    }
    this.runner.leaseSlot(this.index, binding);
  }

  /** One listener, called once: when the slot or its container dies, or at once if it did. Never after the release. */
  onLost(listener: (why: SwitchyardError) => void): void {
    if (this.#lost) listener(this.#lost);
    else this.#listener = listener;
  }

  /** For pool/ alone: tells the listener. */
  lose(why: SwitchyardError): void {
    this.#lost = why;
    this.#listener?.(why);
  }
}
