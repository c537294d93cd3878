// The test runners that the projects use: what starts one, and how its own summary reads. A count is what the runner
// itself calls a test: an assertion for tape, a test method for unittest.

export interface Suite {
  /** Shell command, run in the project's root folder. */
  readonly command: string;
  /** What the runner's summary says; undefined when there is none, as after a crash. */
  readonly summary: (output: string) => SuiteSummary | undefined;
}

export interface SuiteSummary {
  readonly tests: number;
  readonly failed: number;
  readonly skipped: number;
}

/** tape on Node: `# tests 5`, `# pass 4`, `# fail 1`; the last line is missing when nothing failed. */
export function tapeSuite(files: string): Suite {
  return {
    command: `node node_modules/tape/bin/tape '${files}'`,
    summary: (output) => {
      const tests = lastCount(output, /^# tests +(\d+)$/gm);
      const passed = lastCount(output, /^# pass +(\d+)$/gm);
      if (tests === undefined || passed === undefined) return undefined;
      const failed = lastCount(output, /^# fail +(\d+)$/gm) ?? 0;
      return { tests, failed, skipped: tests - passed - failed };
    },
  };
}

/** unittest: `Ran 5 tests in 0.1s`, then `OK (skipped=1)` or `FAILED (failures=1, errors=1, skipped=1)`. */
export function unittestSuite(folder: string, modules: readonly string[]): Suite {
  return {
    // -B: a stale .pyc must not hide an edit that keeps a file's size and second.
    command: `cd ${folder} && python3 -B -m unittest ${modules.join(" ")}`,
    summary: (output) => {
      const tests = lastCount(output, /^Ran (\d+) tests? in /gm);
      const verdict = [...output.matchAll(/^(?:OK|FAILED)(?: \((.*)\))?$/gm)].at(-1);
      if (tests === undefined || verdict === undefined) return undefined;
      const count = (word: string) => lastCount(verdict[1] ?? "", new RegExp(`\\b${word}=(\\d+)`, "g")) ?? 0;
      return { tests, failed: count("failures") + count("errors"), skipped: count("skipped") };
    },
  };
}

function lastCount(text: string, pattern: RegExp): number | undefined {
  const digits = [...text.matchAll(pattern)].at(-1)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
