// Files of a workspace on their way between a slot and the server: what is asked of a slot, and the records that are
// exchanged with it. Names are bytes, as the slot has them. The code in a slot may have made up all that comes from it.
import { SwitchyardError } from "./errors.js";

export type ArtifactType = "file" | "dir" | "symlink" | "other";

export interface ArtifactEntry {
  /** Below the folder that was asked for; empty for a single file. */
  readonly name: Buffer;
  readonly type: ArtifactType;
  /** Of a file, in bytes; else 0. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtimeS: number;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  /** Of a link; else empty. */
  readonly linkTarget: Buffer;
}

export type TransferWork =
  | { readonly kind: "read"; readonly offset: number; readonly bytesMax: number }
  | { readonly kind: "list"; readonly recursive: boolean; readonly entriesMax: number }
  | { readonly kind: "pack"; readonly entriesMax: number; readonly bytesMax: number }
  /** One file at the path, or a tree below it. */
  | { readonly kind: "put"; readonly single: boolean };

export interface TransferRequest {
  /** Relative to the workspace, or absolute within it. */
  readonly path: Buffer;
  readonly work: TransferWork;
}

/** What a slot says. `root` comes first, then each file's `data` and `contentEnd` follow its `entry`; `end` is the last. */
export type SlotRecord =
  /** What was asked for, by its path in the workspace. */
  | { readonly kind: "root"; readonly path: Buffer }
  | { readonly kind: "entry"; readonly entry: ArtifactEntry }
  | { readonly kind: "data"; readonly data: Buffer }
  | { readonly kind: "contentEnd" }
  | { readonly kind: "leftOut"; readonly name: Buffer; readonly reason: string }
  /** Whether bounds of the request cut something off. */
  | { readonly kind: "end"; readonly truncated: boolean };

/** What a slot is told that writes files: each entry, after that of a file its data and `contentEnd`; then `end`. */
export type PutRecord =
  | { readonly kind: "entry"; readonly entry: PutEntry }
  | { readonly kind: "data"; readonly data: Buffer }
  | { readonly kind: "contentEnd" }
  | { readonly kind: "end" };

export interface PutEntry extends Omit<ArtifactEntry, "type" | "size"> {
  /** A hard link leads to what was written under the name that is its `linkTarget`. */
  readonly type: "file" | "dir" | "symlink" | "hardlink";
}

/** One transfer under way. Whoever began it ends it, whatever happened. */
export interface Transfer {
  /** Once. Throws SwitchyardError when it breaks off, or the slot says no. */
  records(): AsyncGenerator<SlotRecord, void, undefined>;
  /** Resolves when there is room for more; one at a time. Rejects when it is over. */
  send(record: PutRecord): Promise<void>;
  /** Ends it on both sides; what waits for it rejects with `why`. Idempotent. */
  end(why?: SwitchyardError): void;
  /** Resolves, never rejects, with why it ended when it is over here. */
  readonly over: Promise<SwitchyardError>;
}

/** What the slot said is what no honest process of ours says: its code has meddled. */
export function disturbed(): SwitchyardError {
  return new SwitchyardError("TRANSFER_BROKEN", "something in the slot disturbed the transfer; repeat it");
}
