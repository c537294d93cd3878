// What a runner keeps for the trajectories in its slots, as the server knows it: the sealed lease, the results that were
// delivered and not acknowledged, and what of earlier slots it was told to remember. It is sent again as far as a link that
// begins anew lacks it.
import type { ServerFrame } from "../gen/switchyard/runner/v1/runner.js";
import { knownParts } from "../link/parts.js";
import type { AdoptedCall, SlotBinding } from "./backend.js";
import type { RunnerInventory, SlotInventory } from "./inventory.js";
import { type SealedLease, sealLease, unsealLease } from "./lease-seal.js";
import { knownCall } from "./run-frames.js";

type Frame = NonNullable<ServerFrame["frame"]>;

/** To its runner. */
export interface Line {
  send(frame: Frame): void;
  /** For what nobody waits for. */
  sendSoon(frame: Frame): void;
}

interface Lease {
  sealed: SealedLease;
  /** Calls whose results the server has, and their client may not. */
  readonly delivered: Set<string>;
  recall?: () => readonly AdoptedCall[];
}

export class LeaseBook {
  readonly #leases = new Map<number, Lease>();

  constructor(
    private readonly key: Buffer,
    private readonly line: Line,
  ) {}

  lease(slot: number, binding: SlotBinding): void {
    const sealed = sealLease(binding, this.key);
    const before = this.#leases.get(slot);
    if (before) before.sealed = sealed;
    else this.#leases.set(slot, { sealed, delivered: new Set() });
    this.line.send({ $case: "leaseSlot", value: { slot, ...sealed } });
  }

  /** Undefined when no server of the instance has given it. */
  adopt(slot: number, { record, seal, calls }: SlotInventory): SlotBinding | undefined {
    const binding = unsealLease({ record, seal }, this.key);
    if (!binding) return undefined;
    const finished = [...calls.values()].filter(({ state }) => state === "finished");
    this.#leases.set(slot, {
      sealed: { record: Buffer.from(record), seal: Buffer.from(seal) },
      delivered: new Set(finished.map(({ uniqId }) => uniqId)),
    });
    return binding;
  }

  close(slot: number): void {
    this.#leases.delete(slot);
  }

  remember(slot: number, recall: () => readonly AdoptedCall[]): void {
    const lease = this.#leases.get(slot);
    const calls = recall();
    if (!lease || calls.length === 0) return;
    lease.recall = recall;
    for (const { uniqId, state } of calls) if (state === "finished") lease.delivered.add(uniqId);
    this.#sendKnown(slot, calls);
  }

  /** A slot that is being closed takes its results with it. */
  delivered(slot: number, uniqId: string): void {
    this.#leases.get(slot)?.delivered.add(uniqId);
  }

  acknowledge(slot: number, uniqIds: readonly string[]): void {
    const delivered = this.#leases.get(slot)?.delivered;
    const known = uniqIds.filter((uniqId) => delivered?.delete(uniqId));
    if (known.length > 0) this.line.sendSoon({ $case: "acknowledge", value: { slot, uniqIds: known } });
  }

  /** A result that an inventory holds and nobody waits for: an old one, or one whose acknowledgement got lost. */
  comeAgain(slot: number, uniqId: string): void {
    const lease = this.#leases.get(slot);
    if (lease && !lease.delivered.has(uniqId))
      this.line.send({ $case: "acknowledge", value: { slot, uniqIds: [uniqId] } });
  }

  sendAgain(inventory: RunnerInventory): void {
    for (const [slot, { sealed, recall }] of this.#leases) {
      this.line.send({ $case: "leaseSlot", value: { slot, ...sealed } });
      const known = inventory.slots[slot]?.calls;
      if (recall)
        this.#sendKnown(
          slot,
          recall().filter(({ uniqId }) => !known?.has(uniqId)),
        );
    }
  }

  #sendKnown(slot: number, calls: readonly AdoptedCall[]): void {
    for (const part of knownParts(calls.map((call) => knownCall(slot, call)))) {
      this.line.send({ $case: "remember", value: { slot, calls: part } });
    }
  }
}
