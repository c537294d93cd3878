// The read-only volume that brings the runner into any image: this server's own Node with its shared libraries and
// dynamic loader, and the runner in one file. Named by content, so that servers of different versions do not collide.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, realpath } from "node:fs/promises";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { SwitchyardError } from "../../core/errors.js";
import { RUNNER_BUNDLE } from "../package-files.js";

/** Where the volume stands in a container. */
export const RUNTIME_FOLDER = "/switchyard/runtime";
const LABEL = "switchyard.runtime";

/** Starts the runner with nothing but what the volume holds. */
export const RUNNER_COMMAND = [
  `${RUNTIME_FOLDER}/ld.so`,
  "--library-path",
  `${RUNTIME_FOLDER}/lib`,
  `${RUNTIME_FOLDER}/node`,
  `${RUNTIME_FOLDER}/runner.mjs`,
];

interface RuntimeFile {
  readonly name: string;
  readonly source: string;
}

/** Makes the volume unless it is there; resolves with its name. `image` is any image that the daemon has. */
export async function ensureRuntimeVolume(docker: Docker, image: string): Promise<string> {
  const { name, files, isThere, carriers } = await findVolume(docker);
  if (isThere) return name;
  await Promise.all(carriers.map((id) => docker.getContainer(id).remove({ force: true })));
  await fillVolume(docker, name, image, files);
  return name;
}

/** The volume that this server needs, and whether the daemon has it. */
export async function findRuntimeVolume(docker: Docker): Promise<{ name: string; isThere: boolean }> {
  const { name, isThere } = await findVolume(docker);
  return { name, isThere };
}

async function findVolume(docker: Docker) {
  const files = await runtimeFiles();
  const name = `switchyard-runtime-${await digest(files)}`;
  const { Volumes } = await docker.listVolumes({ filters: JSON.stringify({ name: [name] }) });
  // A carrier lives only while its volume is being filled: one that is there tells of a server that died over it.
  const left = await docker.listContainers({ all: true, filters: JSON.stringify({ label: [`${LABEL}=${name}`] }) });
  const isThere = left.length === 0 && (Volumes?.some((volume) => volume.Name === name) ?? false);
  return { name, files, isThere, carriers: left.map(({ Id }) => Id) };
}

async function runtimeFiles(): Promise<RuntimeFile[]> {
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
    ...[...libraries.values()].map(({ isLoader, path }) => ({
      name: isLoader ? "ld.so" : `lib/${basename(path)}`,
      source: path,
    })),
  ];
}

/** The launchers' interpreter for images that have none; on a host without it, they must. */
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

async function digest(files: readonly RuntimeFile[]): Promise<string> {
  const hash = createHash("sha256");
  for (const { name, source } of files) {
    hash.update(`${name}\0`);
    for await (const chunk of createReadStream(source)) hash.update(chunk);
  }
  return hash.digest("hex").slice(0, 16);
}

async function fillVolume(docker: Docker, name: string, image: string, files: readonly RuntimeFile[]): Promise<void> {
  const carrier = await docker.createContainer({
    Image: image,
    Cmd: ["/never-started"],
    Labels: { [LABEL]: name },
    HostConfig: { Mounts: [{ Type: "volume", Source: name, Target: RUNTIME_FOLDER }], NetworkMode: "none" },
  });
  const archive = pack();
  const sent = carrier.putArchive(Readable.from(archive), { path: RUNTIME_FOLDER });
  archive.entry({ name: "lib", type: "directory", mode: 0o755 });
  for (const { name: entry, source } of files) archive.entry({ name: entry, mode: 0o755 }, await readFile(source));
  archive.finalize();
  await sent;
  // Only now: a carrier that stays behind marks the volume as half-filled.
  await carrier.remove({ force: true });
}
