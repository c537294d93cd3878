// Which licences dependencies may have: what the check of them (check-licences.ts) decides by. Pure.

/** Licences that ask for no more than to be named: SPDX identifiers. */
export const ALLOWED: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Python-2.0",
  "Unlicense",
  "Zlib",
]);

const FOLDER = "node_modules/";

/** What package-lock.json has of a package, as far as it matters here. */
export interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly os?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type LockedPackages = Readonly<Record<string, LockedPackage>>;

/** Whether one may use what is under this SPDX expression; throws where it is none. */
export function isAllowed(expression: string, allowed = ALLOWED): boolean {
  const tokens: string[] = expression.match(/\(|\)|[^\s()]+/g) ?? [];
  const verdict = anyOf(tokens, allowed);
  if (tokens.length > 0) throw new Error(`unexpected ${tokens[0]} in the SPDX expression ${expression}`);
  return verdict;
}

function anyOf(tokens: string[], allowed: ReadonlySet<string>): boolean {
  let verdict = allOf(tokens, allowed);
  while (take(tokens, "OR")) verdict = allOf(tokens, allowed) || verdict;
  return verdict;
}

function allOf(tokens: string[], allowed: ReadonlySet<string>): boolean {
  let verdict = one(tokens, allowed);
  while (take(tokens, "AND")) verdict = one(tokens, allowed) && verdict;
  return verdict;
}

function one(tokens: string[], allowed: ReadonlySet<string>): boolean {
  if (take(tokens, "(")) {
    const verdict = anyOf(tokens, allowed);
    if (!take(tokens, ")")) throw new Error("a parenthesis of the SPDX expression is not closed");
    return verdict;
  }
  const name = tokens.shift();
  if (name === undefined || ["OR", "AND", "WITH", ")"].includes(name)) {
    throw new Error(`a licence is missing in the SPDX expression before ${name ?? "its end"}`);
  }
  // An exception only gives more leave.
  if (take(tokens, "WITH")) tokens.shift();
  return allowed.has(name);
}

function take(tokens: string[], wanted: string): boolean {
  if (tokens[0] !== wanted) return false;
  tokens.shift();
  return true;
}

/**
 * What is wrong with the packages of a lock file (its `packages`): a line for each whose licence is missing, no SPDX
 * expression or not allowed and that is no exception, and for each exception that nothing needs.
 */
export function complaints(packages: LockedPackages, exceptions: Readonly<Record<string, string>>): string[] {
  const needless = new Set(Object.keys(exceptions));
  const builds = licencesOfBuilds(packages);
  const found = Object.entries(packages).flatMap(([path, entry]) => {
    if (path === "") return [];
    const name = path.slice(path.lastIndexOf(FOLDER) + FOLDER.length);
    const why = complaint(entry.license ?? (entry.os ? builds.get(name) : undefined));
    if (why === undefined) return [];
    if (!(name in exceptions)) return [`${name} ${entry.version}: ${why}`];
    needless.delete(name);
    return [];
  });
  return [...found, ...[...needless].map((name) => `${name}: is an exception, and needs none`)];
}

/** npm notes no licence of builds for other platforms; they are under that of the package that they are builds of. */
function licencesOfBuilds(packages: LockedPackages): Map<string, string | undefined> {
  const parts = Object.values(packages).flatMap(({ license, optionalDependencies = {} }) =>
    Object.keys(optionalDependencies).map((name): [string, string | undefined] => [name, license]),
  );
  return new Map(parts);
}

function complaint(license: string | undefined): string | undefined {
  if (license === undefined) return "package-lock.json names no licence";
  try {
    return isAllowed(license) ? undefined : `${license} is not allowed`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
