// The calls of one slot's lease: those that run, and what is remembered of those that ran, so that a call is never run
// twice and a result outlives its server. Per uniq_id:
//
//   running ─ended→ finished ─acknowledged→ acknowledged        forgotten together, when the slot closes
//
// The server bounds it: it starts no call while too much is unacknowledged, and no more than it keeps digests of itself.
import type {
  CallFinished,
  KnownCall,
  LeaseSlot,
  PullOutput,
  RunCall,
  RunnerFrame,
  SlotState,
} from "../gen/switchyard/runner/v1/runner.js";
import { LiveOutput } from "./live-output.js";
import type { AbortReason } from "./tools/supervise.js";

export interface SlotCallsOptions {
  /** Resolves with the result, whatever happens; never rejects. `live`: takes what is written meanwhile. */
  run(call: RunCall, timeoutS: number, aborted: AbortSignal, live?: LiveOutput): Promise<CallFinished>;
  send(frame: NonNullable<RunnerFrame["frame"]>): void;
}

interface Running {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
  /** When its output is wanted as it comes. */
  readonly live: LiveOutput | undefined;
}

interface Remembered {
  readonly digest: Buffer;
  readonly forStream: boolean;
  context: string;
  readonly streamOutput: boolean;
  /** While it runs. */
  running: Running | undefined;
  /** Until it is acknowledged. */
  finished: CallFinished | undefined;
}

/** Waiting for whoever reads its output may take half of a call's timeout. */
const HOLD_MS_PER_S = 500;
const NOTHING = Buffer.alloc(0);

export class SlotCalls {
  readonly #calls = new Map<string, Remembered>();
  #lease: { readonly record: Buffer; readonly seal: Buffer } | undefined;

  constructor(private readonly options: SlotCallsOptions) {}

  lease({ record, seal }: LeaseSlot): void {
    // Copies: a frame is a view of the chunk that it came in.
    this.#lease = { record: Buffer.from(record), seal: Buffer.from(seal) };
  }

  /** Runs the call, or sends its result again if it was run before. */
  begin(call: RunCall, timeoutS: number): void {
    const before = this.#calls.get(call.uniqId);
    if (before) {
      if (before.finished) this.options.send({ $case: "callFinished", value: before.finished });
      return;
    }
    const abort = new AbortController();
    const { digest, forStream, context, streamOutput } = call;
    const remembered: Remembered = {
      digest: Buffer.from(digest),
      forStream,
      streamOutput,
      context,
      running: undefined,
      finished: undefined,
    };
    this.#calls.set(call.uniqId, remembered);
    const { send } = this.options;
    const live = streamOutput ? new LiveOutput(call, { send, holdMsMax: timeoutS * HOLD_MS_PER_S }) : undefined;
    const ended = this.options.run(call, timeoutS, abort.signal, live).then(async (finished) => {
      await live?.end();
      remembered.running = undefined;
      remembered.finished = finished;
      this.options.send({ $case: "callFinished", value: finished });
    });
    remembered.running = { abort, ended, live };
  }

  /** Calls of the trajectory's earlier slots: never to be run here. */
  remember(calls: readonly KnownCall[]): void {
    for (const { uniqId, digest, forStream, context, finished } of calls) {
      if (this.#calls.has(uniqId)) continue;
      const call = { digest: Buffer.from(digest), forStream, streamOutput: false, context };
      this.#calls.set(uniqId, { ...call, running: undefined, finished });
    }
  }

  cancel(uniqId: string): void {
    const running = this.#calls.get(uniqId)?.running;
    if (running) abortRun(running, "cancel");
  }

  /** For a call that does not run any more nothing is left to send. */
  pullOutput(pull: PullOutput): void {
    this.#calls.get(pull.uniqId)?.running?.live?.pull(pull);
  }

  /** A link begins anew: no output is sent before it is asked for. */
  unlink(): void {
    for (const { live } of this.#running()) live?.unlink();
  }

  /** The ends of the calls that there were to abort. */
  abortAll(reason: AbortReason): Promise<void>[] {
    const running = this.#running();
    for (const each of running) abortRun(each, reason);
    return running.map(({ ended }) => ended);
  }

  acknowledge(uniqIds: readonly string[]): void {
    for (const uniqId of uniqIds) {
      const call = this.#calls.get(uniqId);
      if (!call?.finished) continue;
      call.finished = undefined;
      call.context = "";
    }
  }

  /** Resolves when none runs any more. */
  async ended(): Promise<void> {
    await Promise.all(this.#running().map(({ ended }) => ended));
  }

  /** No later server is to go on with it. */
  endLease(): void {
    this.#lease = undefined;
    for (const { live } of this.#running()) live?.hurry();
  }

  forget(): void {
    this.#calls.clear();
  }

  state(open: boolean): SlotState {
    return { open, record: this.#lease?.record ?? NOTHING, seal: this.#lease?.seal ?? NOTHING };
  }

  /** All that is remembered. */
  *known(): Generator<KnownCall> {
    for (const [uniqId, { digest, forStream, context, streamOutput, running, finished }] of this.#calls) {
      yield { uniqId, digest, forStream, context, streamOutput, finished, acknowledged: !running && !finished };
    }
  }

  #running(): Running[] {
    return [...this.#calls.values()].flatMap(({ running }) => (running ? [running] : []));
  }
}

function abortRun({ abort, live }: Running, reason: AbortReason): void {
  abort.abort(reason);
  live?.hurry();
}
