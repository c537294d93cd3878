// How far a transfer is: one line on stderr that renews itself, on a terminal only.
import { bytesText, durationText } from "./units.js";

export interface Progress {
  readonly label: string;
  readonly done: number;
  /** Undefined where nobody knows it. */
  readonly total: number | undefined;
  readonly elapsedMs: number;
}

const BAR_WIDTH = 24;
const RENEW_MS = 100;
const CLEAR_LINE = "\r\u001b[K";

export function progressText({ label, done, total, elapsedMs }: Progress, columns: number): string {
  const perS = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0;
  const rate = `${bytesText(Math.round(perS))}/s`;
  if (total === undefined) return fitted(label, `  ${bytesText(done)}  ${rate}`, columns);
  const part = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(part * BAR_WIDTH);
  const bar = `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}]`;
  const left = perS > 0 && part < 1 ? `  ${durationText(((total - done) / perS) * 1000)} left` : "";
  const percent = `${Math.floor(part * 100)}%`.padStart(4);
  return fitted(label, `  ${bar}${percent}  ${bytesText(done)} of ${bytesText(total)}  ${rate}${left}`, columns);
}

/** The figures matter more than the whole name. */
function fitted(label: string, figures: string, columns: number): string {
  const room = Math.max(0, columns - 1 - figures.length);
  const name = label.length <= room ? label : `~${label.slice(label.length - Math.max(0, room - 1))}`;
  return `${name}${figures}`.slice(0, Math.max(0, columns - 1));
}

export class ProgressBar {
  readonly #label: string;
  readonly #total: number | undefined;
  readonly #stream: NodeJS.WriteStream;
  readonly #beganMs = performance.now();
  #done = 0;
  #drawnMs = 0;

  constructor(label: string, total: number | undefined, stream: NodeJS.WriteStream = process.stderr) {
    this.#label = label;
    this.#total = total;
    this.#stream = stream;
  }

  /** The chunks as they are, counted. */
  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunks) {
        this.#done += chunk.length;
        this.#draw();
        yield chunk;
      }
    } finally {
      if (this.#drawnMs > 0) this.#stream.write(CLEAR_LINE);
    }
  }

  #draw(): void {
    const now = performance.now();
    if (!this.#stream.isTTY || now - this.#drawnMs < RENEW_MS) return;
    this.#drawnMs = now;
    const progress = { label: this.#label, done: this.#done, total: this.#total, elapsedMs: now - this.#beganMs };
    this.#stream.write(`${CLEAR_LINE}${progressText(progress, this.#stream.columns)}`);
  }
}
