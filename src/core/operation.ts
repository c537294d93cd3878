// What a runner is asked to do: a call after its tool has checked the arguments and the policy was applied.
// Typed, so that a runner never sees a model's raw arguments.

export type Encoding = "text" | "base64";

export type Operation =
  | { readonly kind: "bash"; readonly command: string }
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

/** An operation bound to the slot that it runs in. */
export interface SlotOperation {
  /** Index of the slot within its runner. */
  readonly slot: number;
  readonly operation: Operation;
  readonly noOutputTimeoutS?: number;
}
