// The transfers of one trajectory's files that are under way, beside its calls. Invariant: none outlives the slot that it
// works in, as far as whoever waits for it is concerned, and nothing of the trajectory waits for one.
import type { Transfer, TransferRequest } from "../core/artifacts.js";
import { SwitchyardError } from "../core/errors.js";
import type { HeldSlot } from "./slot-holder.js";

/** Each costs its slot a process, and the server two windows. */
const TRANSFERS_MAX = 4;
const NO_SLOT = "No active slot for trajectory (run a sandbox tool first)";

export class TrajectoryTransfers {
  /** Most trajectories have none ever. */
  #live: Set<Transfer> | undefined;

  constructor(
    private readonly slot: () => HeldSlot | undefined,
    /** None is under way any more. */
    private readonly onIdle: () => void,
  ) {}

  get count(): number {
    return this.#live?.size ?? 0;
  }

  /** Throws NO_SLOT, LIMIT_REACHED, or why the slot's runner is lost. */
  begin(request: TransferRequest): Transfer {
    const slot = this.slot();
    if (!slot) throw new SwitchyardError("NO_SLOT", NO_SLOT);
    if (this.count >= TRANSFERS_MAX) {
      const text = `this trajectory has ${TRANSFERS_MAX} transfers under way: wait for one to end`;
      throw new SwitchyardError("LIMIT_REACHED", text);
    }
    const transfer = slot.runner.transfer(slot.index, request);
    const live = this.#live ?? new Set();
    this.#live = live;
    live.add(transfer);
    void transfer.over.then(() => {
      live.delete(transfer);
      if (live.size === 0) this.onIdle();
    });
    return transfer;
  }

  endAll(why: SwitchyardError): void {
    for (const transfer of this.#live ?? []) transfer.end(why);
  }

  /** Resolves when none of those that are under way is any more. */
  async drain(): Promise<void> {
    await Promise.all([...(this.#live ?? [])].map(({ over }) => over));
  }
}
