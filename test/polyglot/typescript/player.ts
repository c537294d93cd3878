// Plays one scenario over a transport. Frames that come before a step asks for them are kept; every step waits for what it
// names and for nothing else.
import { randomBytes } from "node:crypto";
import { check, checkFailure, checkFields, checkResult, sha256 } from "./checks.js";
import { callRequest, type Play, playUnary } from "./requests.js";
import type { Scenario, Step, StepOf, StreamStep } from "./table.js";
import type { Received, Stream, Transport } from "./transport.js";

type Kind = Received["kind"];
type FrameOf<K extends Kind> = Extract<Received, { readonly kind: K }>;

export async function playScenario(transport: Transport, { name, steps }: Scenario): Promise<void> {
  const random = () => randomBytes(16).toString("hex");
  const play: Play = { trajectory_id: `${name}-${random()}`, resume_token: random(), archive: Buffer.alloc(0) };
  const streams = new Map<string, Inbox>();
  try {
    for (const [at, step] of steps.entries()) {
      try {
        if (isStreamStep(step)) await playOnStream(transport, play, streams, step);
        else await playUnary(transport, play, step);
      } catch (error) {
        throw new Error(`step ${at + 1} (${step.op}): ${error instanceof Error ? error.message : error}`);
      }
    }
  } finally {
    for (const { stream } of streams.values()) stream.cut();
  }
}

const STREAM_OPS = ["begin", "open", "call", "cancel", "ack", "release", "half_close", "cut"];

function isStreamStep(step: Step): step is StreamStep {
  return STREAM_OPS.includes(step.op) || step.op.startsWith("expect_");
}

async function playOnStream(
  transport: Transport,
  play: Play,
  streams: Map<string, Inbox>,
  step: StreamStep,
): Promise<void> {
  const name = step.stream ?? "main";
  if (step.op === "begin") {
    streams.set(name, new Inbox(transport.begin(step.bearer)));
    return;
  }
  const inbox = streams.get(name);
  if (inbox === undefined) throw new Error(`no stream ${name}`);
  if (step.op.startsWith("expect_")) await expectOn(inbox, step);
  else send(inbox.stream, play, step);
}

function send(stream: Stream, { trajectory_id, resume_token }: Play, step: StreamStep): void {
  switch (step.op) {
    case "open": {
      const { op: _op, stream: _stream, ...fields } = step;
      return stream.open({ trajectory_id, resume_token, ...fields });
    }
    case "call": {
      const { op: _op, stream: _stream, ...fields } = step;
      return stream.call(callRequest(fields));
    }
    case "cancel":
      return stream.cancel(step.uniq_id);
    case "ack":
      return stream.ack(step.uniq_ids);
    case "release":
      return stream.release(step.reset_workspace ?? false);
    case "half_close":
      return stream.halfClose();
    case "cut":
      return stream.cut();
    default:
      throw new Error("the table has an operation that this client does not know");
  }
}

async function expectOn(inbox: Inbox, step: StreamStep): Promise<void> {
  switch (step.op) {
    case "expect_opened": {
      const { opened } = await inbox.first("opened", () => true);
      return checkFields(opened, step, ["resumed", "epoch", "slot_generation", "lease_s", "known"]);
    }
    case "expect_output":
      return expectOutput(inbox, step);
    case "expect_result": {
      const { result } = await inbox.first("result", (frame) => frame.result.uniq_id === step.uniq_id);
      return checkResult(result, step.result);
    }
    case "expect_rejected": {
      const rejected = await inbox.first("rejected", (frame) => frame.uniq_id === step.uniq_id);
      checkFields(rejected, step, ["status", "fault"]);
      return check("whether there is an error text", rejected.error !== "", true);
    }
    case "expect_released":
      return checkFields(await inbox.first("released", () => true), step, ["wiped"]);
    case "expect_end": {
      const error = await inbox.end();
      return error === undefined ? check("code", "OK", step.code) : checkFailure(error, step);
    }
    case "expect_order":
      return check("results", inbox.results, step.uniq_ids);
    default:
      throw new Error("the table has an operation that this client does not know");
  }
}

async function expectOutput(inbox: Inbox, step: StepOf<"expect_output">): Promise<void> {
  const text = step.text === undefined ? undefined : Buffer.from(step.text);
  const { first, data } = await inbox.output(step.uniq_id, step.channel, text?.length ?? step.bytes ?? 0);
  check("offset", first, step.offset ?? 0);
  if (text === undefined) check("sha256 of the output", sha256(data), step.sha256);
  else check("output", data.toString(), step.text);
}

/** What has come on one stream. */
class Inbox {
  readonly #frames: Received[] = [];
  #ended = false;
  #error: unknown;

  constructor(readonly stream: Stream) {}

  get results(): string[] {
    return this.#frames.flatMap((frame) => (frame.kind === "result" ? [frame.result.uniq_id] : []));
  }

  first<K extends Kind>(kind: K, matches: (frame: FrameOf<K>) => boolean): Promise<FrameOf<K>> {
    const isWanted = (frame: Received): frame is FrameOf<K> => isOf(frame, kind) && matches(frame);
    return this.#until(kind, () => this.#frames.find(isWanted));
  }

  /** As soon as `length` bytes or more of it came. */
  output(uniqId: string, channel: string, length: number): Promise<{ first: number; data: Buffer }> {
    return this.#until(`output of ${uniqId}`, () => {
      const pieces = this.#frames.filter((frame) => isOf(frame, "output"));
      const mine = pieces.filter((piece) => piece.uniq_id === uniqId && piece.channel === channel);
      const data = Buffer.concat(mine.map((piece) => piece.data));
      if (data.length < length) return undefined;
      const first = mine[0]?.offset ?? 0;
      let next = first;
      for (const piece of mine) {
        check("offset and missing", [piece.offset, piece.missing], [next, 0]);
        next += piece.data.length;
      }
      return { first, data };
    });
  }

  async end(): Promise<unknown> {
    this.stream.expectEnd?.();
    await this.#until("its end", () => (this.#ended ? true : undefined));
    return this.#error;
  }

  async #until<T>(what: string, found: () => T | undefined): Promise<T> {
    for (;;) {
      const value = found();
      if (value !== undefined) return value;
      if (this.#ended) throw new Error(`the stream ended with ${this.#error ?? "OK"} before ${what} came`);
      try {
        const frame = await this.stream.receive();
        if (frame === undefined) this.#ended = true;
        else this.#frames.push(frame);
      } catch (error) {
        [this.#ended, this.#error] = [true, error];
      }
    }
  }
}

function isOf<K extends Kind>(frame: Received, kind: K): frame is FrameOf<K> {
  return frame.kind === kind;
}
