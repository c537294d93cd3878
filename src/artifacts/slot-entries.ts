// What a slot says of its files, made sure of: a client may unpack it, so no name leads out of where it belongs, and none
// comes twice or below a link, whatever the code in the slot has done to the process that read it.
import { type ArtifactEntry, disturbed } from "../core/artifacts.js";
import { PATH_BYTES_MAX } from "./limits.js";

/** Folders in each other, with the one that was asked for and the deepest, which is not entered. */
const DEPTH_MAX = 257;
const SLASH = Buffer.from("/");

/** Whether the name is that of something below a folder: none of its parts is empty, `.` or `..`. */
export function isBelow(name: Buffer): boolean {
  if (name.length === 0 || name.length > PATH_BYTES_MAX || name.includes(0)) return false;
  return name
    .toString("latin1")
    .split("/")
    .every((part) => part !== "" && part !== "." && part !== "..");
}

interface OpenFolder {
  /** Of what lies in it in the whole name, with the slash. */
  readonly prefix: Buffer;
  /** The last part of what was last found in it. */
  last: Buffer | undefined;
}

/**
 * The entries of one transfer. An honest process visits each folder in the order of its names, what is in a folder right
 * after it; so what was seen need not be remembered, but for the folders that are open.
 */
export class EntryCheck {
  readonly #open: OpenFolder[] = [{ prefix: Buffer.alloc(0), last: undefined }];
  #count = 0;
  #isSingle = false;

  constructor(private readonly entriesMax: number) {}

  /** Throws TRANSFER_BROKEN for what no honest process of ours says. */
  check({ name, type }: ArtifactEntry): void {
    const isFirst = this.#count === 0;
    this.#count += 1;
    if (this.#isSingle || this.#count > this.entriesMax) throw disturbed();
    if (name.length > 0) this.#place(name, type);
    else if (isFirst) this.#isSingle = true;
    else throw disturbed();
  }

  #place(name: Buffer, type: ArtifactEntry["type"]): void {
    if (!isBelow(name)) throw disturbed();
    const last = name.subarray(name.lastIndexOf("/") + 1);
    const prefix = name.subarray(0, name.length - last.length);
    let folder = this.#open.at(-1);
    for (; folder && !folder.prefix.equals(prefix); folder = this.#open.at(-1)) this.#open.pop();
    if (!folder || (folder.last && Buffer.compare(folder.last, last) >= 0)) throw disturbed();
    // Copied: it is a view of a larger record.
    folder.last = Buffer.from(last);
    if (type === "dir") this.#open.push({ prefix: Buffer.concat([name, SLASH]), last: undefined });
    if (this.#open.length > DEPTH_MAX) throw disturbed();
  }
}

/** UTF-8, or undefined when it is not. */
export function utf8Of(bytes: Buffer): string | undefined {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : undefined;
}
