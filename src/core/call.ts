// One tool call as the rest of the server sees it, after grpc/ has checked the frame and before any tool has looked
// at its arguments. Nothing here knows gRPC.
import crypto from "node:crypto";
import { canonicalJson, type JsonObject } from "./json.js";
import type { TraceParent } from "./trace.js";

/** Ids chosen by clients: trajectory_id, uniq_id, group, pool. */
export const ID_PATTERN = /^[A-Za-z0-9._:-]{1,128}$/;

export interface Call {
  /** Unique within its trajectory; matches ID_PATTERN. */
  readonly uniqId: string;
  /** The tool that the model named, before any alias is resolved. */
  readonly tool: string;
  readonly arguments: JsonObject;
  /** Of the message that it came in, which is about what it costs while it waits. */
  readonly bytes: number;
  /** The client's own timeout in seconds, unclamped; absent: the model's `timeout` argument, then the pool's default. */
  readonly timeoutS?: number;
  /** How long the call may wait before it is handed to a runner, in seconds; absent: `timeouts.queue_s`. */
  readonly queueTimeoutS?: number;
  /** Ends the call as TIMED_OUT when it printed nothing for so many seconds. */
  readonly noOutputTimeoutS?: number;
  readonly streamOutput: boolean;
  /** Run only while the trajectory's slot has this generation. */
  readonly slotGeneration?: number;
  /** The client's span that it belongs below; no part of what tells two calls apart. */
  readonly traceParent?: TraceParent;
}

/** SHA-256 (hex) of the canonical JSON of name, arguments and timeout: two calls with one digest are the same call. */
export function callDigest(call: Call): string {
  const { tool, timeoutS = null } = call;
  return sha256(`{"arguments":${canonicalJson(call.arguments)},"name":${JSON.stringify(tool)},"timeout":${timeoutS}}`);
}

/** In one step where Node can (from 20.12 on), which costs half. */
const sha256: (text: string) => string =
  typeof crypto.hash === "function"
    ? (text) => crypto.hash("sha256", text)
    : (text) => crypto.createHash("sha256").update(text).digest("hex");
