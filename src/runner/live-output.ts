// Sends what a running call writes, as it is written: coalesced, within the window of link/output-window.ts, and from where
// the server asks for it. Keeps the newest bytes of each channel for that.
// Invariant: what it keeps is bounded, and so is the time that it holds the command up: a client that reads slowly, or not at
// all, makes it drop the oldest bytes. It holds a command that is faster than the link only while its client takes
// BYTES_PER_MS_MIN, and never for longer than it is told, so that a client that reads gets every byte of most commands.
import { type Clock, systemClock, type Timer } from "../core/clock.js";
import type { PullOutput, RunCall, RunnerFrame } from "../gen/switchyard/runner/v1/runner.js";
import { OUTPUT_CHUNK_BYTES, OUTPUT_WINDOW_BYTES, OUTPUT_WINDOW_FRAMES } from "../link/output-window.js";
import { OutputRing } from "./output-ring.js";

export type ChannelName = "stdout" | "stderr";

/** Where a channel's bytes come from. */
export interface Source {
  pause(): unknown;
  resume(): unknown;
}

/** Of each channel. */
const KEPT_BYTES = 1024 * 1024;
/** With so many bytes unsent a channel's source is held; what is in pipes by then still has room. */
const HOLD_BYTES = KEPT_BYTES / 2;
/** How long bytes wait for more. */
const COALESCE_MS = 20;
/** How long a command may be held in a row. What its client takes earns more. */
const PATIENCE_MS = 1_000;
/** A client that takes less than this (8 MiB/s) holds no command up for longer. */
const BYTES_PER_MS_MIN = (8 * 1024 * 1024) / 1000;
/** Not worth a timer. */
const HOLD_MS_MIN = 5;

interface Channel {
  readonly isStderr: boolean;
  readonly ring: OutputRing;
  /** Offset up to which it was sent, or need not be. */
  sent: number;
}

interface InFlight {
  readonly channel: Channel;
  readonly end: number;
  readonly bytes: number;
}

export interface LiveOutputOptions {
  send(frame: NonNullable<RunnerFrame["frame"]>): void;
  /** How long the command may be held in all. */
  readonly holdMsMax: number;
  readonly clock?: Clock;
}

export class LiveOutput {
  readonly #clock: Clock;
  readonly #channels: Readonly<Record<ChannelName, Channel>> = {
    stdout: { isStderr: false, ring: new OutputRing(KEPT_BYTES), sent: 0 },
    stderr: { isStderr: true, ring: new OutputRing(KEPT_BYTES), sent: 0 },
  };
  /** Absent: nobody has asked since the link began. */
  #seq: number | undefined = 0;
  #inFlight: InFlight[] = [];
  #bytesInFlight = 0;
  #soon: Timer | undefined;
  readonly #held = new Set<Source>();
  #heldSince = 0;
  #release: Timer | undefined;
  #patienceMs = PATIENCE_MS;
  #holdLeftMs: number;
  #mayHold = true;
  #over = false;
  #onSent: (() => void) | undefined;

  constructor(
    private readonly call: Pick<RunCall, "slot" | "uniqId">,
    private readonly options: LiveOutputOptions,
  ) {
    this.#clock = options.clock ?? systemClock;
    this.#holdLeftMs = options.holdMsMax;
  }

  /** Whether the command waits for its reader. */
  get isHolding(): boolean {
    return this.#held.size > 0;
  }

  push(name: ChannelName, chunk: Buffer, source: Source): void {
    if (this.#over) return;
    const channel = this.#channels[name];
    channel.ring.push(chunk);
    if (unsent(channel) >= OUTPUT_CHUNK_BYTES) this.#flush();
    if (unsent(channel) >= HOLD_BYTES) this.#hold(source);
    if (unsent(channel) > 0) this.#soon ??= this.#clock.after(COALESCE_MS, () => this.#flush());
  }

  /** What the server says was passed on, or wants to have from another place. */
  pull({ seq, stdoutOffset, stderrOffset }: Omit<PullOutput, "slot" | "uniqId">): void {
    if (this.#over) return;
    const { stdout, stderr } = this.#channels;
    if (seq === this.#seq) {
      this.#takenUpTo(Number(stdoutOffset), Number(stderrOffset));
    } else {
      this.#seq = seq;
      this.#forgetInFlight();
      stdout.sent = Number(stdoutOffset);
      stderr.sent = Number(stderrOffset);
    }
    this.#flush();
    if (this.isHolding) this.#holdOn();
  }

  /** The link begins anew: nothing is sent until the server says from where. */
  unlink(): void {
    this.#seq = undefined;
    this.#forgetInFlight();
    this.#letGo();
    this.#onSent?.();
  }

  /** The command has ended: it is held up no more, and what is left in its pipes is taken in. */
  commandEnded(): void {
    this.#mayHold = false;
    this.#letGo();
  }

  /** Nobody should wait for the client any more. */
  hurry(): void {
    this.#patienceMs = 0;
    this.#letGo();
    this.#onSent?.();
  }

  /** Nothing is pushed any more. Resolves when all is sent, or its time is over; what is left then is a gap. */
  async end(): Promise<void> {
    this.commandEnded();
    this.#flush();
    if (!this.#allSent && this.#seq !== undefined && this.#patienceMs > 0) await this.#sentWithin(this.#patienceMs);
    this.#soon?.cancel();
    this.#over = true;
    if (this.#seq === undefined) return;
    for (const channel of Object.values(this.#channels)) {
      if (unsent(channel) > 0) this.#sendFrame(channel, channel.ring.end, Buffer.alloc(0));
    }
  }

  #sentWithin(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const late = this.#clock.after(ms, resolve);
      this.#onSent = () => {
        late.cancel();
        resolve();
      };
    });
  }

  get #allSent(): boolean {
    return Object.values(this.#channels).every((channel) => unsent(channel) === 0);
  }

  #flush(): void {
    this.#soon?.cancel();
    this.#soon = undefined;
    const { stdout, stderr } = this.#channels;
    // In turns, so that neither keeps the other out.
    for (let sent = true; sent; ) sent = [this.#sendPiece(stdout), this.#sendPiece(stderr)].some(Boolean);
    if (this.#allSent) this.#onSent?.();
  }

  #sendPiece(channel: Channel): boolean {
    const room = Math.min(OUTPUT_CHUNK_BYTES, OUTPUT_WINDOW_BYTES - this.#bytesInFlight);
    if (this.#seq === undefined || room <= 0 || this.#inFlight.length >= OUTPUT_WINDOW_FRAMES) return false;
    if (unsent(channel) === 0) return false;
    const offset = Math.max(channel.sent, channel.ring.start);
    const data = channel.ring.read(offset, room);
    channel.sent = offset + data.length;
    this.#inFlight.push({ channel, end: channel.sent, bytes: data.length });
    this.#bytesInFlight += data.length;
    this.#sendFrame(channel, offset, data);
    return true;
  }

  #sendFrame({ isStderr }: Channel, offset: number, data: Buffer): void {
    const { slot, uniqId } = this.call;
    const value = { slot, uniqId, seq: this.#seq ?? 0, isStderr, offset: BigInt(offset), data };
    this.options.send({ $case: "output", value });
  }

  #takenUpTo(stdoutOffset: number, stderrOffset: number): void {
    const isTaken = ({ channel, end }: InFlight) => end <= (channel.isStderr ? stderrOffset : stdoutOffset);
    for (let [first] = this.#inFlight; first && isTaken(first); [first] = this.#inFlight) {
      this.#inFlight.shift();
      this.#bytesInFlight -= first.bytes;
      this.#patienceMs = Math.min(PATIENCE_MS, this.#patienceMs + first.bytes / BYTES_PER_MS_MIN);
    }
  }

  #forgetInFlight(): void {
    this.#inFlight = [];
    this.#bytesInFlight = 0;
  }

  #hold(source: Source): void {
    if (!this.#mayHold || this.#seq === undefined || this.#holdMs < HOLD_MS_MIN) return;
    if (!this.isHolding) {
      this.#heldSince = this.#clock.now();
      this.#release = this.#clock.after(this.#holdMs, () => this.#letGo());
    }
    this.#held.add(source);
    source.pause();
  }

  /** Lets the command go on when there is room again, else waits as long as what was taken has earned. */
  #holdOn(): void {
    const { stdout, stderr } = this.#channels;
    const isFull = unsent(stdout) >= HOLD_BYTES || unsent(stderr) >= HOLD_BYTES;
    this.#spend();
    if (!isFull || this.#holdMs === 0) return this.#letGo();
    this.#release?.cancel();
    this.#release = this.#clock.after(this.#holdMs, () => this.#letGo());
  }

  #letGo(): void {
    if (!this.isHolding) return;
    this.#spend();
    this.#release?.cancel();
    const held = [...this.#held];
    this.#held.clear();
    for (const source of held) source.resume();
  }

  get #holdMs(): number {
    return Math.min(this.#patienceMs, this.#holdLeftMs);
  }

  #spend(): void {
    const now = this.#clock.now();
    this.#patienceMs = Math.max(0, this.#patienceMs - (now - this.#heldSince));
    this.#holdLeftMs = Math.max(0, this.#holdLeftMs - (now - this.#heldSince));
    this.#heldSince = now;
  }
}

function unsent({ ring, sent }: Channel): number {
  return Math.max(0, ring.end - Math.max(sent, ring.start));
}
