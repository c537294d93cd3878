// What a runner says that it has when a link begins, put together from its frames and checked: it may have been taken
// over, so it is bounded, and what no honest runner can say is refused.
import { ID_PATTERN } from "../core/call.js";
import type { Init, KnownCall, Ready, RunnerFrame, SlotState } from "../gen/switchyard/runner/v1/runner.js";
import type { AdoptedCall } from "./backend.js";
import { outcomeOfFrame } from "./runner-outcome.js";

export interface SlotInventory extends SlotState {
  /** By uniq_id, in the order in which they came. */
  readonly calls: ReadonlyMap<string, AdoptedCall>;
}

export interface RunnerInventory {
  /** Absent: it has not had its Init. */
  readonly ready: Ready | undefined;
  readonly slots: readonly SlotInventory[];
}

/** As many as a server keeps digests of. */
const CALLS_MAX = 100_000;
/**
 * Of everything that an inventory holds, in characters: per slot the largest ledger that can be configured (128 MiB, at two
 * bytes a character) and as much again for digests and contexts; and in all.
 */
const SLOT_CHARS_MAX = 1 << 27;
const CHARS_MAX = 1 << 29;
/** Of a call beside its texts. */
const CALL_CHARS = 256;
const CONTEXT_CHARS_MAX = 64 * 1024;
const DIGEST_BYTES = 32;

type Frame = NonNullable<RunnerFrame["frame"]>;
type Slot = SlotState & { calls: Map<string, AdoptedCall> };

/** Takes the frames of one inventory. `take` throws for what no honest runner sends. */
export class InventoryReader {
  #ready: Ready | undefined;
  #slots: Slot[] | undefined;
  #chars = 0;

  constructor(private readonly init: Init) {}

  /** Resolves a frame to `more`, or to the inventory that it completes; undefined when it is no part of one. */
  take(frame: Frame): RunnerInventory | "more" | undefined {
    switch (frame.$case) {
      case "inventory":
        if (this.#slots) throw new Error("a second inventory");
        if (frame.value.slots.length !== (frame.value.ready?.isolation ? this.init.slots : 0)) {
          throw new Error(`an inventory of ${frame.value.slots.length} slots`);
        }
        this.#ready = frame.value.ready;
        this.#slots = frame.value.slots.map((slot) => ({ ...slot, calls: new Map() }));
        return "more";
      case "knownCalls":
        if (frame.value.calls.length === 0) throw new Error("no known calls");
        for (const call of frame.value.calls) this.#know(frame.value.slot, call);
        return "more";
      case "inventoryEnd":
        if (!this.#slots) throw new Error("the end of no inventory");
        return { ready: this.#ready, slots: this.#slots };
      default:
        return undefined;
    }
  }

  #know(index: number, call: KnownCall): void {
    const calls = this.#slots?.[index]?.calls;
    if (!calls) throw new Error(`calls of slot ${index}, which it does not have`);
    const known = this.#checked(index, call);
    if (!known || calls.has(call.uniqId) || calls.size >= CALLS_MAX) throw new Error("a known call that cannot be");
    const { output = "", error = "" } = call.finished ?? {};
    this.#chars += CALL_CHARS + call.context.length + output.length + error.length;
    if (this.#chars > Math.min(CHARS_MAX, this.init.slots * SLOT_CHARS_MAX))
      throw new Error("an inventory that is too large");
    calls.set(call.uniqId, known);
  }

  #checked(index: number, call: KnownCall): AdoptedCall | undefined {
    const { uniqId, digest, forStream, context, streamOutput, finished, acknowledged } = call;
    if (!ID_PATTERN.test(uniqId) || digest.length !== DIGEST_BYTES || context.length > CONTEXT_CHARS_MAX)
      return undefined;
    if (finished && (acknowledged || finished.uniqId !== uniqId || finished.slot !== index)) return undefined;
    const outcome = finished && outcomeOfFrame(finished, this.init);
    if (finished && !outcome) return undefined;
    const known = { uniqId, digest: Buffer.from(digest).toString("hex"), forStream, context, streamOutput };
    if (outcome) return { ...known, state: "finished", outcome };
    return { ...known, state: acknowledged ? "acknowledged" : "running" };
  }
}
