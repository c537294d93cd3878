// What a tool is: its description for models, and how its arguments become an operation for a runner.
import type { JsonObject } from "../core/json.js";
import type { Operation } from "../core/operation.js";
import type { Outcome } from "../core/outcome.js";
import type { ArgumentReader } from "./arguments.js";

export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments, as models are shown it. */
  readonly parameters: JsonObject;
  /** Throws InvalidArguments, or gives the outcome of a call that the tool refuses. */
  plan(args: ArgumentReader, limits: ToolLimits): PlannedOperation | Outcome;
}

export interface PlannedOperation {
  readonly operation: Operation;
  /** What the result's metadata holds whatever the end. */
  readonly metadata: JsonObject;
  /** Whether the metadata names the timeout and how the command was isolated. */
  readonly isCommand: boolean;
  /** Whether policy.require_stateful_sandbox is about it. */
  readonly isStateful?: boolean;
  /** The timeout of a call that sets none, if it is more than the pool's default. */
  readonly timeoutDefaultS?: number;
}

export interface ToolLimits {
  /** Bytes that a file tool reads or writes at most. */
  readonly fileBytesMax: number;
}

/** JSON Schema of an object with the given properties. */
export function objectSchema(properties: JsonObject, required: readonly string[]): JsonObject {
  return { type: "object", properties, required };
}
