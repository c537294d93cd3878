// What a run shows while it goes on: on a terminal one line that is renewed every second, elsewhere a line every five seconds.
import type { LoadPlan } from "./plan.js";
import type { Row } from "./row.js";
import { countText, latencyText, percentText, rateText } from "./text.js";

const LINE_EVERY_S = 5;

export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class LiveLine {
  #since = { results: 0, rows: 0 };
  #errors = 0;
  #openings = 0;

  constructor(
    private readonly plan: LoadPlan,
    private readonly screen: Screen,
  ) {}

  /** Before the first second. */
  opening(up: number): void {
    const wanted = this.plan.pace === "open" ? this.plan.streams : this.plan.stages[0]?.from;
    const text = `${countText(up)} of ${countText(wanted ?? 0)} trajectories are ready`;
    if (this.screen.isTTY) return this.#renew(text);
    this.#openings += 1;
    if (this.#openings % LINE_EVERY_S === 0) this.screen.write(`${text}\n`);
  }

  show(row: Row): void {
    this.#errors += row.errors;
    this.#since.results += row.results;
    this.#since.rows += 1;
    if (this.screen.isTTY) return this.#renew(this.#text(row, row.results));
    if (row.second % LINE_EVERY_S !== 0) return;
    this.screen.write(`${this.#text(row, this.#since.results / this.#since.rows)}\n`);
    this.#since = { results: 0, rows: 0 };
  }

  /** The line makes room for what follows. */
  end(): void {
    if (this.screen.isTTY) this.screen.write("\r\x1b[K");
  }

  #renew(text: string): void {
    this.screen.write(`\r\x1b[K${text.slice(0, (this.screen.columns ?? 80) - 1)}`);
  }

  #text(row: Row, rate: number): string {
    const { stages } = this.plan;
    const wholeS = stages.reduce((sum, { warmUpMs, durationMs }) => sum + warmUpMs + durationMs, 0) / 1000;
    const phase = row.counted ? "" : ", warm-up";
    const stage = row.stage === undefined ? "drain" : `stage ${row.stage + 1}/${stages.length}${phase}`;
    return [
      `${Math.min(row.second, Math.round(wholeS))}/${Math.round(wholeS)} s`,
      stage,
      `${countText(row.streams)} streams`,
      `${rateText(rate)}/s`,
      `p50 ${latencyText(row.p50)}`,
      `p99 ${latencyText(row.p99)}`,
      `errors ${countText(this.#errors)}`,
      `in flight ${countText(row.inFlight)}`,
      ...(row.waiting > 0 ? [`waiting ${countText(row.waiting)}`] : []),
      `client ${percentText(row.clientUtilisation)}`,
    ].join("  ");
  }
}
