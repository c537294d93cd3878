// The calls of a mix, ready to be sent: encoded but for their id, with what a right answer to each looks like.
import { CallStatus } from "../gen/switchyard/v1/call.js";
import type { MixItem } from "./mix.js";
import type { LoadPlan } from "./plan.js";
import type { Random } from "./random.js";
import type { Mismatch } from "./run-error.js";
import { encodeCallBody, type Result, statusName } from "./wire.js";

/** One call that is to be made. */
export interface Job {
  /** Index of its item in the mix. */
  readonly item: number;
  readonly body: (id: string) => Uint8Array;
  readonly cancel: boolean;
  /** Why this is not the answer to it; undefined when it is. */
  readonly mismatch: (result: Result) => Mismatch | undefined;
}

type Draft = Omit<Job, "cancel">;

/** What calls are made of. */
type CallPlan = Pick<LoadPlan, "mix" | "failureRate" | "cancelRate" | "timeoutS" | "streamOutput" | "lenient">;

/** Made once, since one is drawn for each call. */
interface Variants {
  readonly kept: Job;
  readonly cancelled: Job;
}

const FAILING_EXIT = 3;
const FAILING = `\n(exit ${FAILING_EXIT})`;
const ID = "{id}";
/** How much of a wrong output an error shows. */
const SHOWN_CHARS_MAX = 80;

export class JobBook {
  readonly #plan: CallPlan;
  readonly #jobs: { readonly weight: number; readonly plain: Variants; readonly failing: Variants | undefined }[];
  readonly #weightSum: number;
  /** What a trajectory does before it counts as ready: its slot is there then, and the files that are read. */
  readonly preparation: readonly Job[];

  constructor(plan: CallPlan) {
    this.#plan = plan;
    this.#jobs = plan.mix.map((item, index) => ({
      weight: item.weight,
      plain: variants(this.#draft(item, index, false)),
      failing: "command" in item ? variants(this.#draft(item, index, true)) : undefined,
    }));
    this.#weightSum = plan.mix.reduce((sum, { weight }) => sum + weight, 0);
    this.preparation = this.#preparation();
  }

  draw(random: Random): Job {
    let left = random.next() * this.#weightSum;
    const entry = this.#jobs.find(({ weight }) => {
      left -= weight;
      return left < 0;
    });
    const { plain, failing } = entry ?? this.#last();
    const { kept, cancelled } = failing !== undefined && random.chance(this.#plan.failureRate) ? failing : plain;
    return random.chance(this.#plan.cancelRate) ? cancelled : kept;
  }

  #last() {
    const last = this.#jobs.at(-1);
    if (last === undefined) throw new Error("a mix has at least one item");
    return last;
  }

  #draft(item: MixItem, index: number, failing: boolean): Draft {
    const encode = (args: { readonly [name: string]: string }) => {
      const { timeoutS, streamOutput } = this.#plan;
      return encodeCallBody({ name: item.tool, arguments: args, timeoutS, streamOutput });
    };
    if (!("command" in item)) {
      const fixed = encode(fileArguments(item));
      const expect = item.tool === "read_file" ? filler(item.bytes) : writtenText(item.bytes);
      const expected = Buffer.from(expect);
      return { item: index, body: () => fixed, mismatch: this.#check(CallStatus.CALL_STATUS_OK, () => expected) };
    }
    const command = failing ? `${item.command}${FAILING}` : item.command;
    const fixed = encode({ command });
    const body = command.includes(ID) ? (id: string) => encode({ command: command.replaceAll(ID, id) }) : () => fixed;
    const status = failing ? CallStatus.CALL_STATUS_NONZERO_EXIT : CallStatus.CALL_STATUS_OK;
    return { item: index, body, mismatch: this.#check(status, expectation(item.expect), item.expectBytes) };
  }

  #check(status: CallStatus, expected?: (id: string) => Buffer, bytes?: number): Job["mismatch"] {
    if (this.#plan.lenient) return () => undefined;
    return (result) => {
      const { exitCode, outputBytes } = result;
      if (result.status !== status)
        return unexpected(`${statusName(result.status)}, not ${statusName(status)}: ${result.error}`);
      if (status === CallStatus.CALL_STATUS_NONZERO_EXIT && exitCode !== FAILING_EXIT) {
        return unexpected(`exit code ${exitCode} instead of ${FAILING_EXIT}`);
      }
      if (bytes !== undefined && outputBytes !== bytes) {
        return { kind: "wrong_output", text: `${outputBytes} bytes of output instead of ${bytes}` };
      }
      const wanted = expected?.(result.uniqId);
      if (wanted === undefined || wanted.equals(result.output)) return undefined;
      return { kind: "wrong_output", text: `${shown(result.output)} instead of ${shown(wanted)}` };
    };
  }

  #preparation(): Job[] {
    const sizes = new Set(this.#plan.mix.flatMap((item) => (item.tool === "read_file" ? [item.bytes] : [])));
    const { timeoutS, lenient } = this.#plan;
    const job = (name: string, args: { readonly [name: string]: string }): Job => {
      const fixed = encodeCallBody({ name, arguments: args, timeoutS, streamOutput: false });
      return {
        item: -1,
        body: () => fixed,
        cancel: false,
        mismatch: ({ status, error }) => {
          if (lenient || status === CallStatus.CALL_STATUS_OK) return undefined;
          return unexpected(`${statusName(status)}: ${error}`);
        },
      };
    };
    const files = [...sizes].map((size) => job("write_file", { path: readPath(size), content: filler(size) }));
    return [job("bash", { command: "true" }), ...files];
  }
}

function variants(draft: Draft): Variants {
  return { kept: { ...draft, cancel: false }, cancelled: { ...draft, cancel: true } };
}

function unexpected(text: string): Mismatch {
  return { kind: "unexpected", text };
}

function expectation(expect: string | undefined): ((id: string) => Buffer) | undefined {
  if (expect === undefined) return undefined;
  if (expect.includes(ID)) return (id) => Buffer.from(expect.replaceAll(ID, id));
  const fixed = Buffer.from(expect);
  return () => fixed;
}

function fileArguments({ tool, bytes }: { tool: "read_file" | "write_file"; bytes: number }): Record<string, string> {
  return tool === "read_file" ? { path: readPath(bytes) } : { path: writePath(bytes), content: filler(bytes) };
}

function readPath(bytes: number): string {
  return `bench-read-${bytes}`;
}

function writePath(bytes: number): string {
  return `bench-write-${bytes}`;
}

function writtenText(bytes: number): string {
  return `Successfully wrote ${bytes} bytes to ${writePath(bytes)}`;
}

/** So many bytes of text in lines. */
function filler(bytes: number): string {
  return `${"0123456789abcdef".repeat(4).slice(1)}\n`.repeat(Math.ceil(bytes / 64)).slice(0, bytes);
}

function shown(output: Uint8Array): string {
  const text = Buffer.from(output).toString();
  return JSON.stringify(text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text);
}
