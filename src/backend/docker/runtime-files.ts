// What a runner needs to start in any image: this server's own Node with its shared libraries and dynamic loader, Perl for
// images that have none, the runner in one file, and the launcher.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { SwitchyardError } from "../../core/errors.js";
import { LAUNCHER, RUNNER_BUNDLE } from "../package-files.js";

/** Where they stand in a container. */
export const RUNTIME_FOLDER = "/switchyard/runtime";

/** Starts the runner with nothing but them. */
export const RUNNER_COMMAND = [
  `${RUNTIME_FOLDER}/ld.so`,
  "--library-path",
  `${RUNTIME_FOLDER}/lib`,
  `${RUNTIME_FOLDER}/node`,
  `${RUNTIME_FOLDER}/runner.mjs`,
];

export interface RuntimeFile {
  readonly name: string;
  readonly source: string;
}

export interface RuntimeFiles {
  readonly files: readonly RuntimeFile[];
  /** Of their names and contents. */
  readonly digest: string;
}

/** Rejects where this machine has nothing to make a Linux container's runtime of. */
export async function readRuntimeFiles(): Promise<RuntimeFiles> {
  const files = await findFiles();
  return { files, digest: await digestOf(files) };
}

async function findFiles(): Promise<RuntimeFile[]> {
  if (process.platform !== "linux") {
    throw new SwitchyardError(
      "BACKEND_UNAVAILABLE",
      `the docker backend gives containers the server's own Node, which must be a Linux one, not ${process.platform}; ` +
        "run the server on Linux or inside a container",
    );
  }
  const node = await realpath(process.execPath);
  const perl = await hostPerl();
  const libraries = new Map(
    (await Promise.all([node, ...perl].map(sharedLibraries))).flat().map((it) => [it.path, it]),
  );
  return [
    { name: "node", source: node },
    ...perl.map((source) => ({ name: "perl", source })),
    { name: "runner.mjs", source: RUNNER_BUNDLE },
    { name: basename(LAUNCHER), source: LAUNCHER },
    ...[...libraries.values()].map(({ isLoader, path }) => ({
      name: isLoader ? "ld.so" : `lib/${basename(path)}`,
      source: path,
    })),
  ];
}

/** The scripts' interpreter for images that have none; on a host without it, they must. */
async function hostPerl(): Promise<string[]> {
  try {
    return [await realpath("/usr/bin/perl")];
  } catch {
    return [];
  }
}

async function sharedLibraries(program: string): Promise<{ isLoader: boolean; path: string }[]> {
  const { stdout } = await promisify(execFile)("ldd", [program]);
  const libraries = stdout.split("\n").flatMap((line) => {
    const match = /^\s*(?:\S+ => )?(\/\S+) \(0x/.exec(line);
    return match?.[1] ? [{ isLoader: /\/ld-[^/]*$/.test(match[1]), path: match[1] }] : [];
  });
  if (!libraries.some(({ isLoader }) => isLoader)) {
    throw new SwitchyardError("BACKEND_UNAVAILABLE", `ldd names no dynamic loader for ${program}`);
  }
  return libraries;
}

async function digestOf(files: readonly RuntimeFile[]): Promise<string> {
  const hash = createHash("sha256");
  for (const { name, source } of files) {
    hash.update(`${name}\0`);
    for await (const chunk of createReadStream(source)) hash.update(chunk);
  }
  return hash.digest("hex").slice(0, 16);
}
