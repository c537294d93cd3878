// What of an uploaded archive may be written into a workspace. Invariant: a member that passes stays below the folder that
// it is unpacked into, whatever its name or link says, and is a file, a folder or a link without special bits.
import { posix } from "node:path";
import type { Header } from "tar-stream";
import type { PutEntry } from "../core/artifacts.js";
import { SwitchyardError } from "../core/errors.js";
import { PATH_BYTES_MAX } from "./limits.js";

const SET_ID_BITS = 0o6000;
/** More than an honest archive says of one member beside what is in its header; each costs time for every member. */
const PAX_KEYS_MAX = 100;
const SHOWN_CHARS_MAX = 200;
/** What it becomes that was not UTF-8. */
const REPLACEMENT = "\ufffd";

/** Undefined for the folder itself. Throws ARCHIVE_REFUSED, naming the member. */
export function memberOf(header: Header): PutEntry | undefined {
  const refuse = (why: string) => new SwitchyardError("ARCHIVE_REFUSED", `member ${shown(header.name)} ${why}`);
  const name = safeName(header.name);
  if (typeof name !== "string") throw refuse(name.why);
  if (header.pax && Object.keys(header.pax).length > PAX_KEYS_MAX) throw refuse("has too many extended attributes");
  if ((header.mode & SET_ID_BITS) !== 0) throw refuse("has a setuid or setgid bit");
  const type = typeOf(header);
  if (!type) throw refuse(`is a ${header.type ?? "thing of an unknown kind"}, which is never unpacked`);
  if (name === "") {
    if (type === "dir") return undefined;
    throw refuse("has no name");
  }
  const linkTarget = type === "symlink" || type === "hardlink" ? safeTarget(name, type, header.linkname) : "";
  if (typeof linkTarget !== "string") throw refuse(linkTarget.why);
  return {
    type,
    name: Buffer.from(name),
    linkTarget: Buffer.from(linkTarget),
    mode: header.mode & 0o777,
    mtimeS: Math.trunc((header.mtime?.getTime() ?? 0) / 1000) || 0,
  };
}

function typeOf({ type }: Header): PutEntry["type"] | undefined {
  switch (type) {
    case "file":
    case "contiguous-file":
      return "file";
    case "directory":
      return "dir";
    case "symlink":
      return "symlink";
    case "link":
      return "hardlink";
    default:
      return undefined;
  }
}

interface Refusal {
  readonly why: string;
}

/** Without `.` and a slash at its end; empty for the folder itself. */
function safeName(name: string): string | Refusal {
  if (Buffer.byteLength(name) > PATH_BYTES_MAX) return { why: "has a name that is too long" };
  if (name.startsWith("/")) return { why: "has an absolute name" };
  if (name.includes(REPLACEMENT)) return { why: "has a name that is not UTF-8" };
  if (name.includes("\0")) return { why: "has a NUL in its name" };
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) return { why: "has a name with .. in it" };
  return parts.join("/");
}

function safeTarget(name: string, type: "symlink" | "hardlink", linkname: string | null | undefined): string | Refusal {
  const target = linkname ?? "";
  if (type === "hardlink") {
    const clean = safeName(target);
    return typeof clean === "string" && clean !== "" ? clean : { why: `is a hard link that leads to ${shown(target)}` };
  }
  const leadsOut = { why: `is a link that leads out: ${shown(target)}` };
  if (target === "" || target.includes("\0") || target.includes(REPLACEMENT))
    return { why: "is a link to no proper name" };
  if (target.startsWith("/") || Buffer.byteLength(target) > PATH_BYTES_MAX) return leadsOut;
  // After a name `..` may mean another folder than it says, if that name is a link itself.
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const firstName = parts.findIndex((part) => part !== "..");
  if (firstName >= 0 && parts.includes("..", firstName)) return leadsOut;
  const resolved = posix.join(posix.dirname(name), target);
  return resolved === ".." || resolved.startsWith("../") ? leadsOut : target;
}

/** Fit for an error message. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, SHOWN_CHARS_MAX));
}
