// `switchyard artifacts`: files and folders between this machine and a trajectory's workspace.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import {
  type ArtifactEntry,
  SwitchyardClientError,
  type TrajectoryKey,
  type WriteSummary,
} from "../../client/index.js";
import type { ConnectionFlags } from "./connection.js";
import { usage } from "./exit.js";
import { packTree, readTree, unpackFolder } from "./folders.js";
import { entryJson, jsonLine, named } from "./json.js";
import { localTarget, writeToStdout, writeWhole } from "./local-files.js";
import { ProgressBar } from "./progress.js";
import { runClient, type Surroundings } from "./run.js";
import { table } from "./table.js";
import { bytesText, printable } from "./units.js";

export interface ArtifactFlags extends ConnectionFlags {
  readonly trajectory: string;
  readonly resumeToken?: string;
  readonly json?: boolean;
}

export interface ListFlags extends ArtifactFlags {
  readonly recursive?: boolean;
  readonly max?: number;
}

/** Standard input or output, in place of a file of this machine. */
const STANDARD = "-";
const ENTRIES_MAX = 10_000;

export function listArtifacts(path: string, flags: ListFlags): Promise<void> {
  return runClient(flags, "short", async ({ client, signal }) => {
    const options = { recursive: flags.recursive ?? false, maxEntries: flags.max ?? ENTRIES_MAX, signal };
    const { entries, truncated } = await client.listArtifacts(keyOf(flags), path, options);
    if (flags.json) process.stdout.write(jsonLine({ entries: entries.map(entryJson), truncated }));
    else process.stdout.write(entries.length === 0 ? "" : `${entryLines(entries).join("\n")}\n`);
    if (truncated && !flags.json) say("there is more than is shown");
    return 0;
  });
}

export function entryLines(entries: readonly ArtifactEntry[]): string[] {
  const rows = entries.map(({ type, mode, size, mtime, path, linkTarget }) => [
    `${{ file: "-", dir: "d", symlink: "l", other: "?" }[type]}${mode.toString(8).padStart(4, "0")}`,
    type === "file" ? String(size) : "",
    mtime.toISOString().slice(0, 19).replace("T", " "),
    `${printable(path)}${linkTarget === undefined ? "" : ` -> ${printable(linkTarget)}`}`,
  ]);
  const columns = [{ head: "MODE" }, { head: "BYTES", right: true }, { head: "CHANGED (UTC)" }, { head: "PATH" }];
  return table(columns, rows);
}

/** A file as it is; a folder as a folder. */
export function getArtifact(remote: string, local: string | undefined, flags: ArtifactFlags): Promise<void> {
  return runClient(flags, "short", async (around) => {
    if (local === STANDARD) requireText(flags);
    try {
      await getFile(around, remote, local, flags);
    } catch (error) {
      if (!isNoFile(error)) throw error;
      if (local === STANDARD) throw usage(`${remote} is a folder; archive writes folders to stdout`);
      await getFolder(around, remote, local, flags);
    }
    return 0;
  });
}

export function archiveArtifacts(path: string, local: string | undefined, flags: ArtifactFlags): Promise<void> {
  return runClient(flags, "short", async ({ client, signal }) => {
    if (local === STANDARD) requireText(flags);
    const download = client.archiveArtifacts(keyOf(flags), path, { signal });
    const counted = new ProgressBar(path || "workspace", undefined).count(download);
    const target = local ?? `${basename(path) || flags.trajectory}.tar.gz`;
    if (target === STANDARD) await writeToStdout(counted);
    else await writeWhole(target, counted);
    const { summary } = download;
    const { leftOut, leftOutCount } = summary;
    for (const { path: name, reason } of leftOut) say(`left out ${name}: ${reason}`);
    if (leftOutCount > leftOut.length) say(`left out ${leftOutCount - leftOut.length} more`);
    if (summary.truncated) say("there was more than an archive may have: it is not whole");
    const done = { ...named(summary), left_out: leftOut, local: resolve(target) };
    if (target !== STANDARD) report(flags, done, `${target}: ${summary.entries} entries, ${bytesText(summary.bytes)}`);
    return 0;
  });
}

/** A file, a folder with all that is in it, or what comes on stdin. */
export function putArtifact(
  local: string,
  remote: string | undefined,
  flags: ArtifactFlags & { readonly mode?: number },
): Promise<void> {
  return runClient(flags, "short", async (around) => {
    if (local === STANDARD && remote === undefined) throw usage("what comes on stdin needs a REMOTE name");
    const target = remote ?? basename(resolve(local));
    const isTree = local !== STANDARD && (await stat(local)).isDirectory();
    const summary = isTree
      ? await putFolder(around, local, target, flags)
      : await putFile(around, local, target, flags);
    const text = `${target}: ${isTree ? `${summary.entries} entries, ` : ""}${bytesText(summary.fileBytes)}`;
    report(flags, { ...named(summary), remote: target }, text);
    return 0;
  });
}

async function getFile(
  { client, signal }: Surroundings,
  remote: string,
  local: string | undefined,
  flags: ArtifactFlags,
) {
  const download = await client.readArtifact(keyOf(flags), remote, { signal });
  const counted = new ProgressBar(remote, download.info.size).count(download);
  if (local === STANDARD) return writeToStdout(counted);
  const target = await localTarget(remote, local, "file");
  await writeWhole(target, counted, download.info.mode & 0o777);
  const { summary } = download;
  if (summary.truncated) say("the file goes on: it is larger than 1 GiB");
  report(flags, { ...named(summary), local: resolve(target) }, `${target}: ${bytesText(summary.bytes)}`);
}

async function getFolder(
  { client, signal }: Surroundings,
  remote: string,
  local: string | undefined,
  flags: ArtifactFlags,
): Promise<void> {
  const download = client.archiveArtifacts(keyOf(flags), remote, { signal });
  const target = await localTarget(remote, local, flags.trajectory);
  const { files, bytes, leftOut } = await unpackFolder(target, new ProgressBar(remote, undefined).count(download));
  const missing = [
    ...leftOut.map((path) => ({ path, reason: "a link, and links are not made here" })),
    ...download.summary.leftOut,
  ];
  for (const { path, reason } of missing) say(`left out ${path}: ${reason}`);
  if (download.summary.truncated) say("there was more than an archive may have: the folder is not whole");
  const done = { files, bytes, left_out: missing, truncated: download.summary.truncated, local: resolve(target) };
  report(flags, done, `${target}: ${files} files, ${bytesText(bytes)}`);
}

async function putFile(
  { client, signal }: Surroundings,
  local: string,
  target: string,
  flags: ArtifactFlags & { readonly mode?: number },
): Promise<WriteSummary> {
  const found = local === STANDARD ? undefined : await stat(local);
  const source: AsyncIterable<Uint8Array> = local === STANDARD ? process.stdin : createReadStream(local);
  const mode = flags.mode ?? (found && found.mode & 0o777);
  const counted = new ProgressBar(target, found?.size).count(source);
  return client.writeArtifact(keyOf(flags), target, counted, { signal, ...(mode !== undefined && { mode }) });
}

async function putFolder(
  { client, signal }: Surroundings,
  local: string,
  target: string,
  flags: ArtifactFlags,
): Promise<WriteSummary> {
  const tree = await readTree(local);
  for (const name of tree.leftOut) say(`left out ${name}: neither a file, a folder nor a link`);
  const counted = new ProgressBar(target, tree.bytes).count(packTree(tree));
  return client.writeArtifact(keyOf(flags), target, counted, { signal, kind: "tar" });
}

function keyOf({ trajectory, resumeToken = "" }: ArtifactFlags): TrajectoryKey {
  return { trajectoryId: trajectory, resumeToken };
}

function isNoFile(error: unknown): boolean {
  return error instanceof SwitchyardClientError && error.reason === "ARTIFACT_UNSUITABLE";
}

function requireText({ json }: ArtifactFlags): void {
  if (json) throw usage("--json and content on stdout cannot be told apart; give a file");
}

function report({ json }: ArtifactFlags, values: object, text: string): void {
  process.stdout.write(json ? jsonLine(values) : `${printable(text)}\n`);
}

function say(text: string): void {
  process.stderr.write(`switchyard: ${printable(text)}\n`);
}
