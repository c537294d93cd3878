// What a runner is asked to do: a call after its tool has checked the arguments and the policy was applied.
// Typed, so that a runner never sees a model's raw arguments.
import type { OutputSink } from "./output.js";
import type { TmuxAction } from "./tmux.js";

export type Encoding = "text" | "base64";

export type Operation =
  | { readonly kind: "bash"; readonly command: string }
  /** In the slot's lasting shell. */
  | { readonly kind: "bash_stateful"; readonly command: string }
  | { readonly kind: "tmux"; readonly action: TmuxAction }
  | {
      readonly kind: "read_file";
      readonly path: string;
      /** First byte; 0 is the start of the file. */
      readonly offset: number;
      /** Bytes at most; absent: up to the end. */
      readonly limit?: number;
      readonly encoding: Encoding;
    }
  | { readonly kind: "write_file"; readonly path: string; readonly content: Uint8Array };

/** An operation bound to the slot that it runs in, and what a runner remembers of it for the next server. */
export interface SlotOperation {
  /** Index of the slot within its runner. */
  readonly slot: number;
  /** Unique within the lease of the slot. */
  readonly uniqId: string;
  /** Of the call: SHA-256, hex. */
  readonly digest: string;
  /** Whether a stream is owed the result; else only callers of Execute asked. */
  readonly forStream: boolean;
  /** JSON text of whoever made it, which comes back with the result of a call that outlived its server. */
  readonly context: string;
  readonly operation: Operation;
  readonly noOutputTimeoutS?: number;
  /** Who takes what it writes, as it is written; absent: nobody. */
  readonly output?: OutputSink;
}
