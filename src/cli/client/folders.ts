// Whole folders between this machine and a workspace, as tar. What comes down was made by a slot's code: of it only folders
// and regular files are made here, below the folder that was named; links are left out and named.
import { createReadStream, type Stats } from "node:fs";
import { lstat, mkdir, readdir, readlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type Extract, extract, type Header, type Pack, pack } from "tar-stream";
import { buffersOf, drained, quiet } from "../../artifacts/byte-streams.js";
import { usage } from "./exit.js";
import { writeWhole } from "./local-files.js";

export interface Unpacked {
  readonly files: number;
  readonly bytes: number;
  readonly leftOut: readonly string[];
}

/** Throws for a member that would be elsewhere; the server sends none. */
export async function unpackFolder(target: string, archive: AsyncIterable<Uint8Array>): Promise<Unpacked> {
  await mkdir(target, { recursive: true });
  const members = extract();
  const fed = feed(members, archive);
  let [files, bytes] = [0, 0];
  const leftOut: string[] = [];
  for await (const member of members) {
    const { name, type, size, mode } = member.header;
    const path = join(target, inside(name));
    if (type === "directory") await mkdir(path, { recursive: true });
    if (type === "file") {
      await mkdir(dirname(path), { recursive: true });
      await writeWhole(path, buffersOf(member), mode & 0o777);
      files += 1;
      bytes += size;
    } else member.resume();
    if (type !== "file" && type !== "directory") leftOut.push(name);
  }
  await fed;
  return { files, bytes, leftOut };
}

/** What is wrong with the archive is heard by who reads its members, too. */
async function feed(members: Extract, archive: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    await pipeline(archive, createGunzip(), async (tar: AsyncIterable<Buffer>) => {
      for await (const chunk of tar) {
        if (!members.write(chunk)) await drained(members);
        if (members.destroyed) return;
      }
      members.end(null);
    });
  } catch (error) {
    members.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** The name, if it leads nowhere else. */
export function inside(name: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (name.startsWith("/") || name.includes("\0") || parts.includes("..")) {
    throw usage(`the archive has a member that would be written elsewhere: ${name}`);
  }
  return parts.join("/");
}

export interface LocalTree {
  readonly members: readonly Member[];
  /** Of files. */
  readonly bytes: number;
  /** Neither file, folder nor link. */
  readonly leftOut: readonly string[];
}

type MemberHeader = Partial<Header> & Pick<Header, "name">;

interface Member {
  readonly header: MemberHeader;
  /** Of a file's content. */
  readonly file?: string;
}

export async function readTree(folder: string): Promise<LocalTree> {
  const members: Member[] = [];
  const leftOut: string[] = [];
  let bytes = 0;
  const visit = async (path: string, name: string): Promise<void> => {
    const found = await lstat(path);
    const header = await headerOf(path, name, found);
    if (header === undefined) leftOut.push(name);
    else if (name !== "") members.push({ header, ...(found.isFile() && { file: path }) });
    if (found.isFile()) bytes += found.size;
    if (!found.isDirectory()) return;
    for (const child of (await readdir(path)).sort()) await visit(join(path, child), name ? `${name}/${child}` : child);
  };
  await visit(folder, "");
  return { members, bytes, leftOut };
}

/** The tree as a tar stream; it fails when a file is not as long any more as it was. */
export function packTree({ members }: LocalTree): AsyncIterable<Uint8Array> {
  const archive = pack();
  const fill = async () => {
    for (const member of members) await add(archive, member);
    archive.finalize();
  };
  fill().catch((error: Error) => archive.destroy(error));
  return buffersOf(archive);
}

async function headerOf(path: string, name: string, found: Stats): Promise<MemberHeader | undefined> {
  const common = { name, mode: found.mode & 0o777, mtime: found.mtime };
  if (found.isDirectory()) return { ...common, type: "directory" };
  if (found.isFile()) return { ...common, type: "file", size: found.size };
  if (found.isSymbolicLink()) return { ...common, type: "symlink", linkname: await readlink(path) };
  return undefined;
}

function add(archive: Pack, { header, file }: Member): Promise<void> {
  return new Promise((resolve, reject) => {
    const sink = quiet(archive.entry(header, (error) => (error ? reject(error) : resolve())));
    if (file === undefined) sink.end(null);
    else fill(sink, file).catch(reject);
  });
}

async function fill(sink: ReturnType<Pack["entry"]>, file: string): Promise<void> {
  for await (const chunk of createReadStream(file)) if (!sink.write(chunk)) await drained(sink);
  sink.end(null);
}
