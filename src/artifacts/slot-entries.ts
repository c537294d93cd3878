// What a slot says of its files, made sure of: a client may unpack it, so no name leads out of where it belongs, and none
// comes twice or below a link, whatever the code in the slot has done to the process that read it.
import { type ArtifactEntry, disturbed } from "../core/artifacts.js";

const NAME_BYTES_MAX = 8_192;

/** Whether the name is that of something below a folder: none of its parts is empty, `.` or `..`. */
export function isBelow(name: Buffer): boolean {
  if (name.length === 0 || name.length > NAME_BYTES_MAX || name.includes(0)) return false;
  return name
    .toString("latin1")
    .split("/")
    .every((part) => part !== "" && part !== "." && part !== "..");
}

/** The entries of one transfer. */
export class EntryCheck {
  /** By name: whether something may lie below it. */
  readonly #seen = new Map<string, boolean>();

  constructor(private readonly entriesMax: number) {}

  /** Throws TRANSFER_BROKEN for what no honest process of ours says. */
  check({ name, type }: ArtifactEntry): void {
    const key = name.toString("latin1");
    const isSingle = name.length === 0 && this.#seen.size === 0;
    const parent = key.slice(0, Math.max(0, key.lastIndexOf("/")));
    const isPlaced = isBelow(name) && (parent === "" || this.#seen.get(parent) === true);
    if ((!isSingle && !isPlaced) || this.#seen.has(key) || this.#seen.size >= this.entriesMax) {
      throw disturbed();
    }
    this.#seen.set(key, type === "dir");
  }
}

/** UTF-8, or undefined when it is not. */
export function utf8Of(bytes: Buffer): string | undefined {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : undefined;
}
