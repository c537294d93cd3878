// `npm run check`: everything that can be said about the code without running it. Every step runs, each prints one
// line, and the output of those that failed follows it. Exit 1 when any failed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { filesIn, prepare, root } from "./prepare.mjs";

await prepare({ build: "never" });
const scratch = mkdtempSync(join(tmpdir(), "switchyard-check-"));

const steps = [
  ["format and lint", () => run("biome", "ci", "--colors=off", "--error-on-warnings", ".")],
  ["types", () => run("tsc", "--noEmit", "-p", "tsconfig.json")],
  ["import rules", () => run("node", "scripts/check-imports.mjs")],
  ["licences", () => run("node", "--import", "tsx", "scripts/check-licences.ts")],
  ["proto lint", () => run("buf", "lint")],
  ["proto breaking", protoBreaking],
  ["generated code", generatedCode],
  ["compiled launcher", compiledLauncher],
  ["generated docs", () => run("node", "--import", "tsx", "scripts/config-docs.ts", "--check")],
];

let failed = 0;
for (const [name, step] of steps) {
  const begin = performance.now();
  const { ok, output = "", skipped } = step();
  if (!ok) failed++;
  let verdict = ok ? "ok" : "FAILED";
  if (skipped) verdict = "skipped";
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(`${verdict.padEnd(8)} ${name} (${seconds} s)${skipped ? `: ${skipped}` : ""}`);
  if (!ok) console.log(output.trimEnd());
}
rmSync(scratch, { recursive: true });
console.log(failed === 0 ? `check: all ${steps.length} steps passed` : `check: ${failed} of ${steps.length} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function run(command, ...args) {
  const path = `${join(root, "node_modules/.bin")}:${process.env.PATH}`;
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...process.env, PATH: path, NO_COLOR: "1" },
  });
  return { ok: status === 0, output: error ? String(error) : stdout + stderr, stdout };
}

/** Against where this branch left main; on main itself, against the last commit. */
function protoBreaking() {
  const base = protoBase();
  if (base === undefined) return { ok: true, skipped: "no earlier commit has a proto to compare with" };
  const folder = join(scratch, "base");
  mkdirSync(folder);
  const archive = join(scratch, "base.tar");
  const packed = run("git", "archive", "--output", archive, base, "proto", "buf.yaml");
  if (!packed.ok) return packed;
  const unpacked = run("tar", "-xf", archive, "-C", folder);
  return unpacked.ok ? unaccepted(run("buf", "breaking", "--error-format=json", "--against", folder)) : unpacked;
}

/** A break that was decided on is a line of scripts/accepted-breaks.txt, which says why. */
function unaccepted({ ok, output, stdout }) {
  if (ok || !stdout.startsWith("{")) return { ok, output };
  const accepted = new Set(readFileSync(join(root, "scripts/accepted-breaks.txt"), "utf8").split("\n"));
  const breaks = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .map(({ path, message }) => `${path}: ${message}`)
    .filter((line) => !accepted.has(line));
  return { ok: breaks.length === 0, output: breaks.join("\n") };
}

function protoBase() {
  const commit = (name) => {
    const { ok, stdout } = run("git", "rev-parse", "--verify", "--quiet", `${name}^{commit}`);
    return ok ? stdout.trim() : undefined;
  };
  const head = commit("HEAD");
  const main = commit("origin/main") ?? commit("main");
  if (head === undefined) return undefined;
  let base = main && run("git", "merge-base", head, main).stdout.trim();
  if (!base || base === head) {
    const dirty = run("git", "status", "--porcelain", "--", "proto").stdout !== "";
    base = dirty ? head : commit("HEAD^");
  }
  return base && run("git", "ls-tree", base, "proto/", "buf.yaml").stdout.split("\n").length > 2 ? base : undefined;
}

/** The committed launchers must be what their sources say, to the byte where the compilers are those that made them. */
function compiledLauncher() {
  const folder = join(root, "src/runner/sandbox/launcher");
  const compilers = run("scripts/build-launcher", "--compilers");
  if (!compilers.ok) return { ...compilers, ok: !process.env.CI, skipped: "it needs gcc and gcc-aarch64-linux-gnu" };
  const made = run("scripts/build-launcher", scratch);
  if (!made.ok || compilers.stdout !== readFileSync(join(folder, "compilers.txt"), "utf8")) return made;
  const bin = join(folder, "bin");
  const stale = readdirSync(bin).filter(
    (name) => !readFileSync(join(scratch, name)).equals(readFileSync(join(bin, name))),
  );
  return { ok: stale.length === 0, output: `stale in ${bin} (scripts/build-launcher): ${stale.join(", ")}` };
}

/** src/gen must be what `npm run generate` makes. */
function generatedCode() {
  const made = run("buf", "generate", "--output", scratch);
  if (!made.ok) return made;
  const fresh = join(scratch, "src/gen");
  const committed = join(root, "src/gen");
  const names = new Set([fresh, committed].flatMap((folder) => filesIn(folder).map((file) => relative(folder, file))));
  const read = (folder, name) =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : undefined;
  const stale = [...names].filter((name) => read(fresh, name) !== read(committed, name));
  return { ok: stale.length === 0, output: `stale in src/gen (npm run generate): ${stale.join(", ")}` };
}
