// Fetches the projects with the ordinary npm client, once per lock file, and packs each with what its suite needs into a
// tar.gz that travels into the slots. npm checks every package against the lock file's checksums.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, posix } from "node:path";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { createGzip } from "node:zlib";
import { type Pack, pack } from "tar-stream";
import { z } from "zod";
import type { Project } from "./projects.js";

export interface Sources {
  /** tar.gz with one folder at its top, named after the project. */
  readonly archive: Buffer;
  readonly sha256: string;
  readonly files: number;
}

const PACKAGES = join(dirname(fileURLToPath(import.meta.url)), "packages");
const FILES = ["package.json", "package-lock.json"];

/** Of the packages that a suite needs, only what Node loads; the project itself is packed whole. */
const LOADED = /\.(?:[cm]?js|json)$|^(?:bin\/|LICEN[CS]E)/;
const NOT_LOADED = /(?:^|\/)(?:test|tests|example|examples|\.github)\//;
/** One time for every file, the one that npm gives them, so that an archive depends on its content alone. */
const MTIME = new Date("1985-10-26T08:15:00Z");

const LockFile = z.object({
  packages: z.record(z.string(), z.object({ dependencies: z.record(z.string(), z.string()).optional() })),
});
type Lock = z.infer<typeof LockFile>["packages"];

/** Where the fetched packages are kept between runs. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "switchyard-demo");
}

export async function fetchSources(
  projects: readonly Project[],
  signal: AbortSignal,
): Promise<ReadonlyMap<Project, Sources>> {
  const lockText = await readFile(join(PACKAGES, "package-lock.json"), "utf8");
  const lock = LockFile.parse(JSON.parse(lockText)).packages;
  const home = join(cacheFolder(), createHash("sha256").update(lockText).digest("hex").slice(0, 16));
  if (!(await exists(home))) await install(home, signal);
  const sources = new Map<Project, Sources>();
  for (const project of projects) sources.set(project, await packProject(project, home, lock));
  return sources;
}

/** The folder appears under its name only when it is complete, so an interrupted run leaves nothing half done. */
async function install(home: string, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(home), { recursive: true });
  const temporary = await mkdtemp(`${home}-`);
  try {
    for (const file of FILES) await copyFile(join(PACKAGES, file), join(temporary, file));
    await npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], temporary, signal);
    await rename(temporary, home).catch(async (error: unknown) => {
      if (!(await exists(home))) throw error; // Another demo was quicker.
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function npm(args: readonly string[], cwd: string, signal: AbortSignal): Promise<void> {
  const child = spawn("npm", args, { cwd, signal, stdio: ["ignore", "ignore", "pipe"] });
  const closed = once(child, "close");
  const [stderr] = await Promise.all([buffer(child.stderr), closed]).catch((error: unknown) => {
    throw new Error(`npm ${args.join(" ")}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  });
  if (child.exitCode !== 0) throw new Error(`npm ${args.join(" ")} ended with ${child.exitCode}:\n${stderr}`);
}

async function packProject(project: Project, home: string, lock: Lock): Promise<Sources> {
  const archive = pack();
  const bytes = buffer(archive.pipe(createGzip()));
  const root = join(home, "node_modules", project.package, project.folder);
  let files = await addTree(archive, root, project.name, () => true);
  for (const place of closure(project, lock)) {
    const loaded = (path: string) => LOADED.test(path) && !NOT_LOADED.test(path);
    files += await addTree(archive, join(home, place), posix.join(project.name, place), loaded);
  }
  archive.finalize();
  const content = await bytes;
  return { archive: content, sha256: createHash("sha256").update(content).digest("hex"), files };
}

/** Where the packages lie that the project's suite loads: those it names, the project's own, and theirs in turn. */
function closure(project: Project, lock: Lock): readonly string[] {
  const own = project.folder === "" ? Object.keys(lock[`node_modules/${project.package}`]?.dependencies ?? {}) : [];
  const places = new Set<string>();
  const todo = [...project.needs, ...own].map((name) => ({ from: "", name }));
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const place = resolvePackage(next.from, next.name, lock);
    if (places.has(place)) continue;
    places.add(place);
    for (const name of Object.keys(lock[place]?.dependencies ?? {})) todo.push({ from: place, name });
  }
  return [...places].sort();
}

/** As Node resolves: the nearest `node_modules` on the way up that has the package. */
function resolvePackage(from: string, name: string, lock: Lock): string {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    const place = posix.join(folder, "node_modules", name);
    if (lock[place] !== undefined) return place;
    if (folder === "") throw new Error(`scripts/demo/packages/package-lock.json has no ${name} for ${from}`);
  }
}

/** Adds the files below `root` in a fixed order and with one time; returns their number. */
async function addTree(
  archive: Pack,
  root: string,
  prefix: string,
  wanted: (path: string) => boolean,
  below = "",
): Promise<number> {
  let files = 0;
  const entries = await readdir(join(root, below), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = posix.join(below, entry.name);
    if (entry.isDirectory() && basename(path) !== "node_modules") {
      files += await addTree(archive, root, prefix, wanted, path);
    } else if (entry.isFile() && wanted(path)) {
      archive.entry({ name: posix.join(prefix, path), mtime: MTIME }, await readFile(join(root, path)));
      files++;
    }
  }
  return files;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
