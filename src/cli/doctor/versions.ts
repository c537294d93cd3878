// Version numbers, compared; and which known holes a runc has by its number.

/** Negative when `a` is older than `b`. A release candidate is older than its release; what follows `+` or `~` does not count. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (const [index, part] of left.entries()) {
    const difference = part - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Major, minor, patch and candidate; a release counts as the last of its candidates. */
function partsOf(version: string): number[] {
  const [, major, minor, patch, candidate] = /(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:[-~]rc\.?(\d+))?/.exec(version) ?? [];
  return [major, minor, patch].map((part) => Number(part ?? 0)).concat(Number(candidate ?? Number.MAX_SAFE_INTEGER));
}

interface Hole {
  readonly cve: string;
  /** The first fixed version of each line that got a fix, oldest first; later lines have it from their beginning. */
  readonly fixed: readonly string[];
}

/** Ways out of a container, from runc's own release notes. */
const RUNC_HOLES: readonly Hole[] = [
  { cve: "CVE-2024-21626", fixed: ["1.1.12", "1.2.0-rc.1"] },
  { cve: "CVE-2025-31133", fixed: ["1.2.8", "1.3.3", "1.4.0-rc.3"] },
  { cve: "CVE-2025-52565", fixed: ["1.2.8", "1.3.3", "1.4.0-rc.3"] },
  { cve: "CVE-2025-52881", fixed: ["1.2.8", "1.3.3", "1.4.0-rc.3"] },
];

/** What runc should be at least. */
export const RUNC_FIXED = "1.2.8, 1.3.3 or 1.4.0";

/** Names of the holes that a runc of this number has, unless somebody mended it under the old number. */
export function runcHoles(version: string): string[] {
  return RUNC_HOLES.filter(({ fixed }) => !isFixed(version, fixed)).map(({ cve }) => cve);
}

function isFixed(version: string, fixed: readonly string[]): boolean {
  const [major, minor] = partsOf(version);
  const sameLine = fixed.find((candidate) => {
    const [fixedMajor, fixedMinor] = partsOf(candidate);
    return fixedMajor === major && fixedMinor === minor;
  });
  if (sameLine !== undefined) return compareVersions(version, sameLine) >= 0;
  return compareVersions(version, fixed.at(-1) ?? version) > 0;
}
