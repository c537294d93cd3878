// A backend that answers every operation at once and runs nothing: with it, what a call costs is what the server itself costs.
import type { Backend, Container, Runner } from "../../src/backend/backend.js";
import { SwitchyardError } from "../../src/core/errors.js";
import type { Outcome } from "../../src/core/outcome.js";

/** As a `true` ends. */
const OUTCOME: Outcome = {
  status: "OK",
  output: "",
  error: "",
  metadata: { exit_code: 0 },
  exitCode: 0,
  outputBytes: 0,
  truncated: false,
  queueMs: 0,
  execMs: 0.1,
  slotGeneration: 0,
};

export class NullBackend implements Backend {
  readonly name = "process";
  #started = 0;

  /** Of each container, by pool. */
  constructor(private readonly slotsOf: (pool: string) => number) {}

  async start(): Promise<void> {}

  async adopt(): Promise<readonly []> {
    return [];
  }

  async startContainer(pool: string): Promise<Container> {
    this.#started += 1;
    const id = `null-${this.#started}`;
    return {
      id,
      address: `process:${id}`,
      runner: nullRunner(id, this.slotsOf(pool)),
      destroy: async () => {},
      leave: () => false,
    };
  }

  async close(): Promise<void> {}
}

function nullRunner(id: string, slots: number): Runner {
  return {
    id,
    slots,
    isolation: "namespace",
    networkIsolated: true,
    lost: new Promise(() => {}),
    openSlot: async () => {},
    leaseSlot: () => {},
    closeSlot: async () => {},
    runBatch: (operations, _, onFinished) => {
      for (const index of operations.keys()) onFinished(index, OUTCOME);
      return { done: Promise.resolve(), cancel: () => {} };
    },
    resumeCall: () => ({ done: Promise.resolve(), cancel: () => {} }),
    replayOutput: () => {},
    remember: () => {},
    acknowledge: () => {},
    transfer: () => {
      throw new SwitchyardError("NO_SLOT", "there are no files in a slot that is none");
    },
    onSlotFailed: () => {},
  };
}
