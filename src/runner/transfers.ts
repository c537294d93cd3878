// The transfers of a runner's slots: for each a process of its own in its slot, between whose FIFOs and the link bytes are
// passed on unread. Invariant: in each direction at most a window (link/transfer-window.ts) is on its way, so that whoever
// does not read stops the process, and nobody else; each that was begun ends once, and no process outlives its transfer.
import type { BeginTransfer, RunnerFrame, ServerFrame } from "../gen/switchyard/runner/v1/runner.js";
import { bytesWithin, TRANSFER_CREDIT, TRANSFER_WINDOW, transferCost } from "../link/transfer-window.js";
import { CannotStart } from "./sandbox/armed-children.js";
import type { Lasting, RunFields } from "./sandbox/run.js";
import { TRANSFER_SOURCE } from "./sandbox/transfer-source.js";

type Received = NonNullable<ServerFrame["frame"]>;
type Send = (frame: NonNullable<RunnerFrame["frame"]>) => void;

/** Where a transfer's process is started. */
export interface TransferPlace {
  readonly workspace: string;
  script(text: string, env: readonly string[], args: RunFields): RunFields;
  start(fields: RunFields): Promise<Lasting>;
}

/** Its process has ended, and something else in the slot may hold its output open: so long a silence is the end. */
const SILENCE_MS = 500;
const ERROR_CHARS_MAX = 1_000;
const WORKSPACE = Buffer.from("/workspace");
const SLASH = 0x2f;

export class Transfers {
  readonly #live = new Map<bigint, { readonly slot: number; readonly transfer: RunningTransfer }>();

  constructor(private readonly send: Send) {}

  begin(request: BeginTransfer, place: TransferPlace | undefined): void {
    const { id, slot } = request;
    const send: Send = (frame) => {
      if (this.#live.get(id)?.transfer === transfer) this.send(frame);
    };
    const transfer = new RunningTransfer(id, send);
    this.#live.set(id, { slot, transfer });
    const ended = (error: string, noRoom = false) => {
      send({ $case: "transferEnded", value: { id, error: error.slice(0, ERROR_CHARS_MAX), noRoom } });
      if (this.#live.get(id)?.transfer === transfer) this.#live.delete(id);
    };
    if (!place) return ended("no such slot");
    place.start(place.script(TRANSFER_SOURCE, [], argumentsOf(request, place.workspace))).then(
      async (process) => ended(await transfer.run(process)),
      (error: unknown) => ended(error instanceof Error ? error.message : String(error), error instanceof CannotStart),
    );
  }

  /** What is for one that is over is ignored. */
  take(frame: Extract<Received, { $case: "transferData" | "transferCredit" | "endTransfer" }>): void {
    const transfer = this.#live.get(frame.value.id)?.transfer;
    switch (frame.$case) {
      case "transferData":
        transfer?.write(frame.value.data);
        break;
      case "transferCredit":
        transfer?.mayRead(frame.value.credit);
        break;
      case "endTransfer":
        transfer?.end();
        break;
      default:
        frame satisfies never;
    }
  }

  /** Those of a slot that closes. */
  endSlot(slot: number): void {
    for (const each of this.#live.values()) if (each.slot === slot) each.transfer.end();
  }

  /** A link begins anew: its server takes them for ended, and is told nothing more of them. */
  unlink(): void {
    const all = [...this.#live.values()];
    this.#live.clear();
    for (const { transfer } of all) transfer.end();
  }
}

class RunningTransfer {
  #process: Lasting | undefined;
  #ended = false;
  /** What may still be sent. */
  #window = TRANSFER_WINDOW;
  /** What was passed on to the process, and not given back yet. */
  #due = 0;
  /** What came before there was a process: a window at most. */
  #early: Uint8Array[] = [];
  #onData: (() => void) | undefined;

  constructor(
    private readonly id: bigint,
    private readonly send: Send,
  ) {}

  /** Resolves when the process has ended and what it said is sent: with nothing, or with why that cannot be. */
  async run(process: Lasting): Promise<string> {
    this.#process = process;
    process.stderr.resume();
    process.stdout.on("readable", () => this.#pump());
    const closed = new Promise<void>((resolve) => process.stdout.once("close", resolve));
    if (this.#ended) this.end();
    for (const bytes of this.#early.splice(0)) this.#pass(process, bytes);
    const { waitStatus } = await process.ended;
    process.stderr.destroy();
    const silence = setInterval(() => this.#closeIfSilent(process), SILENCE_MS);
    this.#onData = () => silence.refresh();
    this.#pump();
    await closed;
    clearInterval(silence);
    return waitStatus === undefined ? "the sandbox died" : "";
  }

  write(bytes: Uint8Array): void {
    if (this.#process) this.#pass(this.#process, bytes);
    else this.#early.push(bytes);
  }

  mayRead(credit: number): void {
    this.#window += credit;
    this.#pump();
  }

  /** Kills the process; what it said and was not sent is dropped. */
  end(): void {
    this.#ended = true;
    this.#early = [];
    this.#process?.end();
    this.#process?.stdout.destroy();
  }

  #pass({ input }: Lasting, bytes: Uint8Array): void {
    const cost = transferCost(bytes.length);
    input.write(bytes, (error) => {
      if (error) return;
      this.#due += cost;
      if (this.#due < TRANSFER_CREDIT) return;
      this.send({ $case: "transferCredit", value: { id: this.id, credit: this.#due } });
      this.#due = 0;
    });
  }

  #pump(): void {
    const stdout = this.#process?.stdout;
    for (;;) {
      const room = bytesWithin(this.#window);
      const bytes: unknown =
        room > 0 && stdout ? stdout.read(Math.min(room, stdout.readableLength) || undefined) : null;
      if (!Buffer.isBuffer(bytes)) return;
      this.#onData?.();
      this.#window -= transferCost(bytes.length);
      this.send({ $case: "transferData", value: { id: this.id, data: bytes } });
    }
  }

  /** While the server has no room the silence is ours. */
  #closeIfSilent({ stdout }: Lasting): void {
    if (bytesWithin(this.#window) > 0) stdout.destroy();
  }
}

function argumentsOf({ path, work }: BeginTransfer, workspace: string): RunFields {
  const place = [workspace, seenFrom(workspace, path)] as const;
  switch (work?.$case) {
    case "read":
      return ["get", ...place, String(work.value.offset), String(work.value.bytesMax)];
    case "list":
      return ["list", ...place, work.value.recursive ? "1" : "0", String(work.value.entriesMax)];
    case "pack":
      return ["pack", ...place, String(work.value.entriesMax), String(work.value.bytesMax)];
    case "put":
      return ["put", ...place, work.value.single ? "1" : "0"];
    case undefined:
      return ["done"];
    default:
      return work satisfies never;
  }
}

/** `/workspace` names the workspace in every slot, wherever its sandbox has it. */
function seenFrom(workspace: string, path: Buffer): Buffer {
  const rest = path.subarray(WORKSPACE.length);
  const isBelow = path.subarray(0, WORKSPACE.length).equals(WORKSPACE) && (rest.length === 0 || rest[0] === SLASH);
  return isBelow ? Buffer.concat([Buffer.from(workspace), rest]) : path;
}
