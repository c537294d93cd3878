// The server's side of one trajectory's contract in a hundred lines, for simulations of the client: a ledger, lives, replays,
// `known` that may be truncated. It counts executions, and breaks streams and forgets lives when told to.
import { randomUUID } from "node:crypto";
import { SwitchyardClientError } from "../../src/client/errors.js";
import type { Failure } from "../../src/client/grpc-error.js";
import type { ClientStream, Connect, Frame, StreamListener } from "../../src/client/transport.js";
import type { Clock } from "../../src/core/clock.js";
import { CallStatus, Fault } from "../../src/gen/switchyard/v1/call.js";
import { CallState, RunTrajectoryRequest, RunTrajectoryResponse } from "../../src/gen/switchyard/v1/trajectory.js";

type Down = Parameters<typeof RunTrajectoryResponse.fromPartial>[0]["frame"];
type Up = NonNullable<RunTrajectoryRequest["frame"]>;

interface Stream {
  readonly listener: StreamListener;
  /** Frames that are under way; a cut loses them. */
  readonly up: Up[];
  readonly down: Frame[];
  alive: boolean;
}

interface Life {
  readonly incarnation: string;
  /** Unacknowledged calls; true when finished. */
  readonly owed: Map<string, boolean>;
  readonly seen: Set<string>;
}

export class ModelServer {
  /** Executions by life and call. */
  readonly executions = new Map<string, number>();
  readonly violations: string[] = [];
  #life: Life | undefined;
  #stream: Stream | undefined;
  #epoch = 0n;

  constructor(
    private readonly clock: Clock,
    private readonly random: () => number,
    private readonly callsMax: number,
    private readonly knownMax: number,
  ) {}

  readonly connect: Connect = (listener) => {
    const stream: Stream = { listener, up: [], down: [], alive: true };
    const client: ClientStream = {
      write: (bytes) => {
        const { frame } = RunTrajectoryRequest.decode(bytes);
        if (frame !== undefined) stream.up.push(frame);
        this.#soon(() => this.#read(stream));
        return true;
      },
      halfClose: () => this.#soon(() => this.#soon(() => this.#finish(stream))),
      cut: () => {
        stream.alive = false;
      },
    };
    return client;
  };

  get incarnation(): string | undefined {
    return this.#life?.incarnation;
  }

  /** Some of what is under way arrives, the rest is lost. */
  cut(): void {
    const stream = this.#stream;
    if (!stream?.alive) return;
    while (stream.up.length > 0 && this.random() < 0.5) this.#read(stream);
    while (stream.down.length > 0 && this.random() < 0.5) this.#deliver(stream);
    stream.alive = false;
    this.#soon(() => stream.listener.onEnd(broken()));
  }

  /** The life ends: its lease was over. */
  forget(): void {
    this.cut();
    this.#life = undefined;
  }

  /** Finishes one unfinished call, if there is one. */
  work(): void {
    for (const [uniqId, finished] of this.#life?.owed ?? []) {
      if (finished) continue;
      const key = `${this.#life?.incarnation} ${uniqId}`;
      this.executions.set(key, (this.executions.get(key) ?? 0) + 1);
      this.#life?.owed.set(uniqId, true);
      return this.#result(uniqId);
    }
  }

  #soon(act: () => void): void {
    this.clock.after(this.random() * 5, act);
  }

  #read(stream: Stream): void {
    const frame = stream.up.shift();
    if (frame === undefined || !stream.alive) return;
    if (frame.$case === "open") this.#open(stream, frame.value.requireResume);
    else if (this.#stream === stream && this.#life !== undefined) this.#act(frame, this.#life);
  }

  #open(stream: Stream, requireResume: boolean): void {
    const resumed = this.#life !== undefined;
    if (requireResume && !resumed) {
      stream.alive = false;
      return stream.listener.onEnd(unknown());
    }
    this.#life ??= { incarnation: randomUUID(), owed: new Map(), seen: new Set() };
    this.#stream = stream;
    this.#epoch += 1n;
    const owed = [...this.#life.owed];
    const known = owed.slice(0, this.knownMax).map(([uniqId]) => ({ uniqId, state: CallState.CALL_STATE_RUNNING }));
    const { incarnation } = this.#life;
    const limits = { unackedCallsMax: this.callsMax };
    const knownTruncated = owed.length > this.knownMax;
    this.#send({ $case: "opened", value: { resumed, incarnation, epoch: this.#epoch, known, knownTruncated, limits } });
    for (const [uniqId, finished] of owed) if (finished) this.#result(uniqId);
  }

  #act(frame: Up, { owed, seen }: Life): void {
    if (frame.$case === "ack") {
      for (const uniqId of frame.value.uniqIds) if (owed.get(uniqId)) owed.delete(uniqId);
    } else if (frame.$case === "call") {
      const { uniqId } = frame.value;
      if (owed.get(uniqId)) return this.#result(uniqId);
      if (owed.has(uniqId)) return;
      if (seen.has(uniqId)) this.violations.push(`${uniqId} was sent after it was acknowledged`);
      if (owed.size >= this.callsMax) this.violations.push(`${uniqId} is over the limit of ${this.callsMax}`);
      seen.add(uniqId);
      owed.set(uniqId, false);
    }
  }

  #result(uniqId: string): void {
    const value = { uniqId, success: true, status: CallStatus.CALL_STATUS_OK, fault: Fault.FAULT_NONE };
    this.#send({ $case: "result", value: { ...value, output: this.#life?.incarnation ?? "" } });
  }

  #finish(stream: Stream): void {
    if (!stream.alive) return;
    while (stream.up.length > 0) this.#read(stream);
    const owed = this.#life?.owed.size ?? 0;
    if (owed > 0) this.violations.push(`half-closed with ${owed} calls unacknowledged`);
    stream.alive = false;
    stream.listener.onEnd(undefined);
  }

  #send(frame: Down): void {
    const stream = this.#stream;
    if (!stream?.alive) return;
    const message = RunTrajectoryResponse.fromPartial({ frame }).frame;
    if (message !== undefined) stream.down.push(message);
    this.#soon(() => this.#deliver(stream));
  }

  #deliver(stream: Stream): void {
    const frame = stream.down.shift();
    if (frame !== undefined && stream.alive) stream.listener.onFrame(frame);
  }
}

function unknown(): Failure {
  return { error: new SwitchyardClientError("TRAJECTORY_UNKNOWN", "no such trajectory"), retry: false };
}

function broken(): Failure {
  return { error: new SwitchyardClientError("UNKNOWN", "cut"), retry: true };
}
