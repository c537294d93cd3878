// Brings a checkout to the point where it can run: dependencies as the lock file says, and dist/ as the sources say.
// Plain Node, because on a fresh clone there is nothing else. Quick when there is nothing to do; two at once wait
// for each other through a lock file in dist/.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const stampFile = join(dist, ".built-from");
const lockFile = join(dist, ".lock");

const say = (text) => process.stderr.write(`switchyard: ${text}\n`);
const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

/** Dependencies when they are stale, then dist/: when it is stale, "always", or "never". */
export async function prepare({ build: when = "stale" } = {}) {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 10)) {
    throw new Error(`Node 20.10 or newer is needed; this is ${process.version}`);
  }
  const mustBuild = () => when === "always" || (when === "stale" && !distFresh());
  if (dependenciesFresh() && !mustBuild()) return;
  await locked(async () => {
    if (!dependenciesFresh()) install();
    if (mustBuild()) await build();
  });
}

/** Whether node_modules holds what package-lock.json asks for; npm keeps its own account of that in there. */
function dependenciesFresh() {
  const account = join(root, "node_modules/.package-lock.json");
  if (!existsSync(account)) return false;
  const have = readJson(account).packages;
  const wanted = Object.entries(readJson(join(root, "package-lock.json")).packages);
  return wanted.every(([path, entry]) => {
    if (path === "") return true;
    const found = have[path];
    return found === undefined ? entry.optional === true : found.version === entry.version;
  });
}

function install() {
  say("installing dependencies (npm ci)");
  const npm = process.env.npm_execpath?.endsWith(".js") ? [process.execPath, process.env.npm_execpath] : ["npm"];
  // Also with NODE_ENV=production: the compiler is a development dependency.
  run([...npm, "ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"]);
}

async function build() {
  say("building dist/");
  const stamp = sourcesHash();
  rmSync(stampFile, { force: true });
  run([join(root, "node_modules/.bin/tsc"), "-p", "tsconfig.build.json"]);
  removeOrphans(join(dist, "src"));
  const { bundle } = await import("./bundle.mjs");
  await bundle(root);
  writeFileSync(stampFile, stamp);
}

function distFresh() {
  return existsSync(stampFile) && readFileSync(stampFile, "utf8") === sourcesHash();
}

/** By content, since a checkout or a clone gives files new times. */
function sourcesHash() {
  const hash = createHash("sha256");
  const configs = [
    "package-lock.json",
    "tsconfig.json",
    "tsconfig.build.json",
    "scripts/prepare.mjs",
    "scripts/bundle.mjs",
    "scripts/no-ssh2.mjs",
  ];
  for (const file of [...configs.map((name) => join(root, name)), ...filesIn(join(root, "src"))]) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  }
  return hash.digest("hex");
}

/** Every file below a folder, sorted. */
export function filesIn(folder) {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}

/** What tsc made of a source that is there no more. */
function removeOrphans(folder) {
  for (const file of filesIn(folder)) {
    const source = join(root, relative(dist, file)).replace(/\.(js|js\.map|d\.ts)$/, ".ts");
    if (!existsSync(source)) rmSync(file);
  }
}

function run([command, ...args]) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (error) throw new Error(`${command}: ${error.message}`);
  if (status !== 0)
    throw new Error(`${relative(root, command)} ${args.join(" ")} failed (${signal ?? `exit ${status}`})`);
}

async function locked(work) {
  mkdirSync(dist, { recursive: true });
  const mine = join(dist, `.lock-${process.pid}`);
  writeFileSync(mine, String(process.pid));
  try {
    for (let waited = false; !acquire(mine); waited = true) {
      if (!waited) say("waiting for another start in this folder");
      await sleep(200);
    }
    try {
      await work();
    } finally {
      unlinkSync(lockFile);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** A link is made with its content or not at all, so nobody reads a lock that names no owner. */
function acquire(mine) {
  try {
    linkSync(mine, lockFile);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  removeStaleLock();
  return false;
}

function removeStaleLock() {
  try {
    const owner = readFileSync(lockFile, "utf8");
    if (alive(Number(owner))) return;
    // Moved aside first, and put back if it turns out that another waiter had already replaced it.
    const aside = `${lockFile}-stale-${process.pid}`;
    renameSync(lockFile, aside);
    if (readFileSync(aside, "utf8") !== owner) linkSync(aside, lockFile);
    unlinkSync(aside);
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
