// One thing that the doctor looked at, and what it came to.

/** Only a problem keeps the configured pools from running. A note is worth knowing, and needs no act. */
export type Verdict = "ok" | "note" | "warning" | "problem";

export interface Check {
  /** Dotted; where a configuration key is meant, its name. */
  readonly name: string;
  readonly verdict: Verdict;
  /** What is the case. */
  readonly found: string;
  /** What to do. */
  readonly advice?: string;
}

export function ok(name: string, found: string): Check {
  return { name, verdict: "ok", found };
}

export function note(name: string, found: string, advice?: string): Check {
  return { name, verdict: "note", found, ...(advice && { advice }) };
}

export function warning(name: string, found: string, advice: string): Check {
  return { name, verdict: "warning", found, advice };
}

export function problem(name: string, found: string, advice: string): Check {
  return { name, verdict: "problem", found, advice };
}

/** The line that sums up. */
export function summary(checks: readonly Check[]): string {
  const problems = checks.filter(({ verdict }) => verdict === "problem").length;
  const warnings = checks.filter(({ verdict }) => verdict === "warning").length;
  const counts = `${count(problems, "problem")}, ${count(warnings, "warning")}`;
  return `${counts}: the configured pools ${problems === 0 ? "can" : "cannot"} run`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
