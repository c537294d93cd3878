// What can go wrong in a run that is no error of the command: each is counted, with a few of its texts, and any makes the run fail.

/**
 * missing: no result came. duplicate: one came again. stray: one that nobody asked for. unexpected: another status or exit code
 * than asked for. wrong_output: not what the call must print. overload: the calls of an open loop pile up without end. harness: a
 * defect of the harness, or a client process that died.
 */
export type ErrorKind =
  | "missing"
  | "duplicate"
  | "stray"
  | "unexpected"
  | "wrong_output"
  | "rejected"
  | "slot_lost"
  | "broken_stream"
  | "overload"
  | "harness";

export interface ErrorCount {
  count: number;
  /** A few of the texts. */
  samples: string[];
}

export type ErrorCounts = Partial<Record<ErrorKind, ErrorCount>>;

/** Why a result is not what was asked for. */
export interface Mismatch {
  readonly kind: "unexpected" | "wrong_output";
  readonly text: string;
}

const SAMPLES_MAX = 5;
const SAMPLE_CHARS_MAX = 300;

export function countError(counts: ErrorCounts, kind: ErrorKind, text: string, count = 1): void {
  const entry = counts[kind] ?? { count: 0, samples: [] };
  counts[kind] = entry;
  entry.count += count;
  const sample = text.slice(0, SAMPLE_CHARS_MAX);
  if (entry.samples.length < SAMPLES_MAX && !entry.samples.includes(sample)) entry.samples.push(sample);
}

export function addErrors(sum: ErrorCounts, more: ErrorCounts): void {
  for (const [kind, { count, samples }] of entriesOf(more)) {
    for (const [index, sample] of samples.entries()) countError(sum, kind, sample, index === 0 ? count : 0);
  }
}

export function errorSum(counts: ErrorCounts): number {
  return entriesOf(counts).reduce((sum, [, { count }]) => sum + count, 0);
}

export function entriesOf(counts: ErrorCounts): [ErrorKind, ErrorCount][] {
  return KINDS.flatMap((kind) => {
    const entry = counts[kind];
    return entry === undefined ? [] : [[kind, entry]];
  });
}

const KINDS = [
  "missing",
  "duplicate",
  "stray",
  "unexpected",
  "wrong_output",
  "rejected",
  "slot_lost",
  "broken_stream",
  "overload",
  "harness",
] as const satisfies readonly ErrorKind[];
