// What a run must reach: `p99<50ms`, `rate>1000`, `errors==0`. Judged over all counted stages together.
import { durationMs, usage } from "./quantity.js";

const COMPARE = {
  "<=": (value: number, bound: number) => value <= bound,
  ">=": (value: number, bound: number) => value >= bound,
  "==": (value: number, bound: number) => value === bound,
  "!=": (value: number, bound: number) => value !== bound,
  "<": (value: number, bound: number) => value < bound,
  ">": (value: number, bound: number) => value > bound,
} as const;
type Comparison = keyof typeof COMPARE;

export interface Objective {
  readonly text: string;
  readonly metric: string;
  readonly comparison: Comparison;
  /** Milliseconds where the metric is a latency. */
  readonly bound: number;
}

export interface Judged {
  readonly text: string;
  /** Undefined: this run has no such figure, and so the objective is missed. */
  readonly value: number | undefined;
  /** Whether the figure is in milliseconds. */
  readonly isLatency: boolean;
  readonly met: boolean;
}

/** Gives a figure of the run by its name; latencies in milliseconds. */
export type Figures = (metric: string) => number | undefined;

const LATENCY = /^(?:(?:queue|exec|first|cancel|lag)_)?(?:p\d{1,2}(?:\.\d+)?|p100|max|mean)$/;
const NUMBERS = ["rate", "results", "errors", "missing", "unsent", "ideal", "utilisation"];
const OBJECTIVE = /^\s*([A-Za-z_][\w.]*)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*$/;

export function parseObjective(text: string): Objective {
  const [, metric = "", comparison, bound = ""] = OBJECTIVE.exec(text) ?? [];
  if (!isComparison(comparison)) {
    throw usage(`--objective: ${text} is no METRIC COMPARISON VALUE; write for instance 'p99<50ms' or 'errors==0'`);
  }
  if (LATENCY.test(metric)) return { text, metric, comparison, bound: durationMs("--objective", bound) };
  if (!NUMBERS.includes(metric) && !/^[A-Z_]+$/.test(metric)) {
    const known = `pNN, max, mean (also with queue_, exec_, first_, cancel_, lag_ in front), ${NUMBERS.join(", ")}`;
    throw usage(`--objective: unknown metric ${metric}; known are ${known}, and statuses such as LOST`);
  }
  const number = Number(bound);
  if (!Number.isFinite(number)) throw usage(`--objective: ${bound} is no number`);
  return { text, metric, comparison, bound: number };
}

export function judge(objectives: readonly Objective[], figures: Figures): Judged[] {
  return objectives.map(({ text, metric, comparison, bound }) => {
    const value = figures(metric);
    return {
      text,
      value,
      isLatency: LATENCY.test(metric),
      met: value !== undefined && COMPARE[comparison](value, bound),
    };
  });
}

function isComparison(text: string | undefined): text is Comparison {
  return text !== undefined && Object.hasOwn(COMPARE, text);
}
