// One trajectory at a time over a raw RunTrajectory stream, one call at a time; when a stream breaks, the next trajectory takes its
// place. Reports what happens and decides nothing: which call comes when is the pace's affair. Invariants: each call is
// answered once, or an error says why not; since at most one is under way, little can wait to be written.
import type { Client, ClientDuplexStream, Metadata, ServiceError } from "@grpc/grpc-js";
import { messageOf } from "../core/errors.js";
import type { Job } from "./calls.js";
import type { ErrorKind, Mismatch } from "./run-error.js";
import {
  ackFrame,
  callFrame,
  cancelFrame,
  type DownFrame,
  decodeFrame,
  openFrame,
  type Result,
  releaseFrame,
} from "./wire.js";

export interface Sent {
  readonly id: string;
  readonly job: Job;
  /** When it was meant to start, and when it was sent. */
  readonly intendedMs: number;
  readonly sentMs: number;
  cancelledMs: number | undefined;
  cancelTimer: NodeJS.Timeout | undefined;
  /** Bytes of live output, those that are said to be missing included; by channel. */
  readonly streamed: number[];
}

export interface TrajectoryListener {
  /** It waits for a call. */
  onIdle(trajectory: LoadTrajectory): void;
  onAnswer(trajectory: LoadTrajectory, sent: Sent, result: Result, wrong: Mismatch | undefined): void;
  /** After `release`: its slot was verified clean. */
  onReleased(trajectory: LoadTrajectory): void;
  /** After `leave`: its stream has ended. */
  onGone(trajectory: LoadTrajectory): void;
  onError(kind: ErrorKind, text: string): void;
}

export interface TrajectoryOptions {
  readonly client: Client;
  readonly metadata: Metadata;
  /** Another one each time. */
  readonly newId: () => string;
  readonly pool: string;
  readonly group: string;
  /** Calls that are made before it counts as ready. */
  readonly preparation: readonly Job[];
  readonly cancelAfterMs: number;
  readonly ackEvery: number;
}

/**
 * down → preparing → idle ⇄ busy; idle → releasing → down; from anywhere → leaving → gone. A stream that breaks leads to down.
 */
type State = "down" | "preparing" | "idle" | "busy" | "releasing" | "leaving" | "gone";

const METHOD = "/switchyard.v1.ToolExecutorService/RunTrajectory";
const REOPEN_AFTER_MS = 1_000;

export class LoadTrajectory {
  #state: State = "down";
  #stream: ClientDuplexStream<Buffer, DownFrame> | undefined;
  #sent: Sent | undefined;
  #prepared = 0;
  #life = 0;
  #calls = 0;
  #wasReleased = false;
  readonly #unacked: string[] = [];
  #reopen: NodeJS.Timeout | undefined;

  constructor(
    readonly index: number,
    private readonly options: TrajectoryOptions,
    private readonly listener: TrajectoryListener,
  ) {}

  get state(): State {
    return this.#state;
  }

  /** Whether it is ready for calls, or has one under way. */
  get isUp(): boolean {
    return this.#state === "idle" || this.#state === "busy";
  }

  /** How many calls the trajectory that lives here now has made. */
  get calls(): number {
    return this.#calls;
  }

  open(): void {
    const { client, metadata, newId, pool, group } = this.options;
    this.#life += 1;
    this.#calls = 0;
    this.#wasReleased = false;
    const stream = client.makeBidiStreamRequest<Buffer, DownFrame>(METHOD, (bytes) => bytes, decodeFrame, metadata);
    this.#stream = stream;
    let failure: ServiceError | undefined;
    stream.on("data", (frame: DownFrame) => this.#guarded(stream, frame));
    stream.on("error", (error: ServiceError) => {
      failure = error;
    });
    stream.on("end", () => {
      if (this.#stream === stream) this.#ended(failure);
    });
    stream.write(openFrame({ trajectoryId: newId(), pool, group }));
    this.#state = "preparing";
    this.#prepared = 0;
    this.#prepare();
  }

  /** Only while it is idle. */
  call(job: Job, intendedMs: number): void {
    this.#state = "busy";
    this.#send(job, intendedMs);
  }

  /** Only while it is idle: gives its slot back, and `onReleased` follows. */
  release(): void {
    this.#state = "releasing";
    this.#acknowledge(1);
    this.#stream?.write(releaseFrame());
  }

  /** No more calls: its slot becomes free. What is still under way is given up, and returned if it was one of the run's calls. */
  leave(): Sent | undefined {
    const sent = this.#state === "busy" ? this.#sent : undefined;
    clearTimeout(this.#reopen);
    clearTimeout(this.#sent?.cancelTimer);
    this.#acknowledge(1);
    // A half-close would wait for what is under way.
    if (this.#state !== "idle") this.#stream?.write(releaseFrame());
    this.#stream?.end();
    this.#state = this.#stream === undefined ? "gone" : "leaving";
    return sent;
  }

  /** Breaks the stream off, and hears nothing more of it. */
  cut(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#state = "gone";
    stream?.cancel();
  }

  #send(job: Job, intendedMs: number): void {
    this.#calls += 1;
    const id = `${this.#life}.${this.#calls}`;
    const sentMs = performance.now();
    const sent: Sent = { id, job, intendedMs, sentMs, cancelledMs: undefined, cancelTimer: undefined, streamed: [] };
    this.#sent = sent;
    this.#stream?.write(callFrame(id, job.body(id)));
    if (!job.cancel) return;
    sent.cancelTimer = setTimeout(() => {
      sent.cancelledMs = performance.now();
      this.#stream?.write(cancelFrame(id));
    }, this.options.cancelAfterMs);
  }

  #prepare(): void {
    const job = this.options.preparation[this.#prepared];
    if (job !== undefined) return this.#send(job, performance.now());
    this.#state = "idle";
    this.listener.onIdle(this);
  }

  /** An exception in a stream's handler would end the process. */
  #guarded(stream: ClientDuplexStream<Buffer, DownFrame>, frame: DownFrame): void {
    if (this.#stream !== stream) return;
    try {
      this.#receive(frame);
    } catch (error) {
      this.listener.onError("harness", messageOf(error));
    }
  }

  #receive(frame: DownFrame): void {
    if (this.#state === "leaving") return;
    switch (frame.kind) {
      case "result":
        return this.#answered(frame);
      case "output":
        return this.#streamed(frame);
      case "rejected":
        this.listener.onError("rejected", frame.error);
        return this.#break("");
      case "released":
        if (!frame.wiped) this.listener.onError("unexpected", "released without a verified wipe");
        this.#wasReleased = true;
        return;
      case "slotLost":
        return this.listener.onError("slot_lost", frame.reason);
      case "goAway":
      case "opened":
      case "other":
        return;
      default:
        return frame satisfies never;
    }
  }

  #answered(result: Result): void {
    const sent = this.#sent;
    if (sent === undefined || result.uniqId !== sent.id) return this.#unasked(result.uniqId);
    this.#sent = undefined;
    clearTimeout(sent.cancelTimer);
    this.#unacked.push(sent.id);
    this.#goOn(sent, result);
    // After the next call, which somebody waits for.
    this.#acknowledge(this.options.ackEvery);
  }

  #goOn(sent: Sent, result: Result): void {
    const wrong = sent.job.mismatch(result);
    if (this.#state === "preparing") return this.#preparedBy(wrong);
    this.#state = "idle";
    this.listener.onAnswer(this, sent, result, wrong ?? streamedMismatch(sent, result));
    if (this.#state === "idle") this.listener.onIdle(this);
  }

  #preparedBy(wrong: Mismatch | undefined): void {
    if (wrong !== undefined) return this.#break(`not ready: ${wrong.text}`);
    this.#prepared += 1;
    this.#prepare();
  }

  #unasked(id: string): void {
    const [life, number] = id.split(".").map(Number);
    const isOld = life === this.#life && number !== undefined && number <= this.#calls;
    this.listener.onError(isOld ? "duplicate" : "stray", `a result for ${id}${isOld ? " came again" : ""}`);
  }

  #streamed({ uniqId, channel, offset, bytes, missing }: Extract<DownFrame, { kind: "output" }>): void {
    const sent = this.#sent;
    if (sent === undefined || sent.id !== uniqId) return this.listener.onError("stray", `output of ${uniqId}`);
    const before = sent.streamed[channel] ?? 0;
    if (offset !== before + missing) {
      this.listener.onError("wrong_output", `output at ${offset} follows what ended at ${before}, missing ${missing}`);
    }
    sent.streamed[channel] = offset + bytes;
  }

  #acknowledge(atLeast: number): void {
    if (this.#unacked.length < atLeast) return;
    this.#stream?.write(ackFrame(this.#unacked));
    this.#unacked.length = 0;
  }

  /** Ends the stream because nothing good can come of it; the next one follows. */
  #break(why: string): void {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
    this.#down(why);
  }

  #ended(failure: ServiceError | undefined): void {
    this.#stream = undefined;
    if (this.#state === "leaving") {
      this.#state = "gone";
      return this.listener.onGone(this);
    }
    if (this.#wasReleased && failure === undefined) {
      this.#unacked.length = 0;
      this.#state = "down";
      return this.listener.onReleased(this);
    }
    this.#down(failure?.details || "the server ended the stream");
  }

  #down(why: string): void {
    if (why !== "") this.listener.onError("broken_stream", why);
    clearTimeout(this.#sent?.cancelTimer);
    this.#sent = undefined;
    this.#unacked.length = 0;
    this.#state = "down";
    this.#reopen = setTimeout(() => this.open(), REOPEN_AFTER_MS);
  }
}

/** What came live, against what the call is said to have written. */
function streamedMismatch({ streamed }: Sent, { outputBytes }: Result): Mismatch | undefined {
  if (streamed.length === 0) return undefined;
  const sum = streamed.reduce((total, bytes) => total + bytes, 0);
  if (sum === outputBytes) return undefined;
  return { kind: "wrong_output", text: `${sum} bytes of live output instead of ${outputBytes}` };
}
