// The server's end of one call's live output: checks what the runner sends, passes it on, and tells the runner how much has
// left the server. Invariant: at most a window of output (link/output-window.ts) is with the server, so that a client which
// does not read costs no more; a runner that sends beyond it, or otherwise than it was asked, breaks the rules.
import type { OutputChannel, OutputPosition, OutputSink } from "../core/output.js";
import type { Output, PullOutput } from "../gen/switchyard/runner/v1/runner.js";
import { OUTPUT_CHUNK_BYTES, OUTPUT_WINDOW_BYTES, OUTPUT_WINDOW_FRAMES } from "../link/output-window.js";

/** The runner is told of so much at once, so that it is told seldom and never waits. */
const TELL_BYTES = OUTPUT_WINDOW_BYTES / 4;
const TELL_FRAMES = OUTPUT_WINDOW_FRAMES / 4;
/** Each channel may have one more at its end, which only names a gap. */
const LAST_FRAMES = 2;

interface Held {
  readonly channel: OutputChannel;
  readonly end: number;
  readonly bytes: number;
  taken: boolean;
}

export class OutputIntake {
  #seq = 0;
  /** Where the next frame of each channel begins, if nothing is dropped. */
  #next: Record<OutputChannel, number> = { stdout: 0, stderr: 0 };
  #left: Record<OutputChannel, number> = { stdout: 0, stderr: 0 };
  readonly #finished = new Set<OutputChannel>();
  #held: Held[] = [];
  /** Sent by the runner, which was not told yet that it has left. */
  #untold = { bytes: 0, frames: 0 };
  #due = { bytes: 0, frames: 0 };
  /** Frames of earlier requests that may still be on their way. */
  #stale = 0;
  /** The link began anew; to be asked for again when nothing is held, so that the window is not had twice. */
  #askAgain = false;

  constructor(
    private readonly call: Pick<PullOutput, "slot" | "uniqId">,
    private readonly sink: OutputSink,
    private readonly pull: (pull: PullOutput) => void,
  ) {}

  /** False when no honest runner would send it. */
  take({ seq, isStderr, offset, data }: Omit<Output, "slot" | "uniqId">): boolean {
    if (seq !== this.#seq) {
      this.#stale -= 1;
      return seq < this.#seq && this.#stale >= 0;
    }
    const channel = isStderr ? "stderr" : "stdout";
    const [from, end] = [Number(offset), Number(offset) + data.length];
    const missing = from - this.#next[channel];
    if (missing < 0 || end > Number.MAX_SAFE_INTEGER || data.length > OUTPUT_CHUNK_BYTES) return false;
    if (this.#finished.has(channel) || (data.length === 0 && missing === 0)) return false;
    if (data.length === 0) this.#finished.add(channel);
    this.#untold.bytes += data.length;
    this.#untold.frames += 1;
    if (this.#untold.bytes > OUTPUT_WINDOW_BYTES || this.#untold.frames > OUTPUT_WINDOW_FRAMES + LAST_FRAMES)
      return false;
    this.#next[channel] = end;
    const held: Held = { channel, end, bytes: data.length, taken: false };
    this.#held.push(held);
    this.sink({ channel, offset: from, data, missing, taken: () => this.#taken(held, seq) });
    return true;
  }

  /** Asks for the output from there on, whatever was sent before. */
  restart({ stdout, stderr }: OutputPosition): void {
    this.#seq += 1;
    this.#stale = Math.max(0, this.#stale) + OUTPUT_WINDOW_FRAMES + LAST_FRAMES;
    this.#next = { stdout, stderr };
    this.#left = { stdout, stderr };
    this.#finished.clear();
    this.#held = [];
    this.#untold = { bytes: 0, frames: 0 };
    this.#due = { bytes: 0, frames: 0 };
    this.#askAgain = false;
    this.#tell();
  }

  /** The link began anew: what was on its way is lost, and is asked for again. */
  relink(): void {
    if (this.#held.length === 0) this.restart(this.#next);
    else this.#askAgain = true;
  }

  #taken(held: Held, seq: number): void {
    if (seq !== this.#seq) return;
    held.taken = true;
    for (let [first] = this.#held; first?.taken; [first] = this.#held) {
      this.#held.shift();
      this.#left[first.channel] = first.end;
      this.#due.bytes += first.bytes;
      this.#due.frames += 1;
    }
    if (this.#askAgain && this.#held.length === 0) return this.restart(this.#next);
    if (this.#due.bytes < TELL_BYTES && this.#due.frames < TELL_FRAMES) return;
    this.#untold.bytes -= this.#due.bytes;
    this.#untold.frames -= this.#due.frames;
    this.#due = { bytes: 0, frames: 0 };
    this.#tell();
  }

  #tell(): void {
    const { stdout, stderr } = this.#left;
    this.pull({ ...this.call, seq: this.#seq, stdoutOffset: BigInt(stdout), stderrOffset: BigInt(stderr) });
  }
}
