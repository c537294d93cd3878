// Every failure that Switchyard names itself. The reason is from a closed union, and one table says what each becomes:
// a gRPC code where it ends a stream or a unary call, a call status where it ends one call.
import type { CallStatus } from "./outcome.js";

interface Meaning {
  /** Name of the gRPC status code. */
  readonly code: GrpcCode;
  /** How a call that fails for this reason ends. */
  readonly callStatus: Exclude<CallStatus, "OK">;
}

export type GrpcCode =
  | "INVALID_ARGUMENT"
  | "UNAUTHENTICATED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE";

export const MEANING = {
  /** The first frame of a stream was not `open`, or a later one was. */
  PROTOCOL_BROKEN: { code: "FAILED_PRECONDITION", callStatus: "INVALID" },
  INVALID_FIELD: { code: "INVALID_ARGUMENT", callStatus: "INVALID" },
  /** The server asks for a bearer token, and none came. */
  TOKEN_MISSING: { code: "UNAUTHENTICATED", callStatus: "INVALID" },
  TOKEN_UNKNOWN: { code: "UNAUTHENTICATED", callStatus: "INVALID" },
  TOKEN_EXPIRED: { code: "UNAUTHENTICATED", callStatus: "INVALID" },
  /** A client certificate that names nobody. */
  CERTIFICATE_UNSUITABLE: { code: "UNAUTHENTICATED", callStatus: "INVALID" },
  UNKNOWN_POOL: { code: "INVALID_ARGUMENT", callStatus: "INVALID" },
  WRONG_TOKEN: { code: "PERMISSION_DENIED", callStatus: "INVALID" },
  /** A reopen named another pool, group or env than the trajectory's own. */
  TRAJECTORY_MISMATCH: { code: "FAILED_PRECONDITION", callStatus: "INVALID" },
  TRAJECTORY_UNKNOWN: { code: "NOT_FOUND", callStatus: "NOT_STARTED" },
  /** The trajectory was released while the request was under way. */
  TRAJECTORY_ENDED: { code: "ABORTED", callStatus: "CANCELLED" },
  /** A newer stream of the same trajectory took over. */
  SUPERSEDED: { code: "ABORTED", callStatus: "CANCELLED" },
  /** The uniq_id was used before, with other content or acknowledged. */
  CALL_CONFLICT: { code: "ALREADY_EXISTS", callStatus: "INVALID" },
  LIMIT_REACHED: { code: "RESOURCE_EXHAUSTED", callStatus: "NOT_STARTED" },
  ACQUIRE_FAILED: { code: "UNAVAILABLE", callStatus: "NOT_STARTED" },
  QUEUE_TIMEOUT: { code: "UNAVAILABLE", callStatus: "NOT_STARTED" },
  /** The slot went away, or is not the generation that the call asked for. */
  SLOT_CHANGED: { code: "FAILED_PRECONDITION", callStatus: "NOT_STARTED" },
  SHUTTING_DOWN: { code: "UNAVAILABLE", callStatus: "NOT_STARTED" },
  /** The runner, its container or its link is gone. */
  RUNNER_LOST: { code: "UNAVAILABLE", callStatus: "LOST" },
  /** The runner sent what an honest one cannot send. */
  RUNNER_VIOLATION: { code: "UNAVAILABLE", callStatus: "LOST" },
  SANDBOX_UNAVAILABLE: { code: "FAILED_PRECONDITION", callStatus: "SANDBOX_UNAVAILABLE" },
  BACKEND_UNAVAILABLE: { code: "UNAVAILABLE", callStatus: "NOT_STARTED" },
  CONFIG_INVALID: { code: "INVALID_ARGUMENT", callStatus: "NOT_STARTED" },
  LISTEN_FAILED: { code: "UNAVAILABLE", callStatus: "NOT_STARTED" },
  /** An artifact of a trajectory was asked for that has no slot. */
  NO_SLOT: { code: "FAILED_PRECONDITION", callStatus: "NOT_STARTED" },
  ARTIFACT_NOT_FOUND: { code: "NOT_FOUND", callStatus: "TOOL_FAILED" },
  ACCESS_DENIED: { code: "PERMISSION_DENIED", callStatus: "TOOL_FAILED" },
  /** What is there is of another kind, or the slot's user may not use it. */
  ARTIFACT_UNSUITABLE: { code: "FAILED_PRECONDITION", callStatus: "TOOL_FAILED" },
  ARCHIVE_REFUSED: { code: "INVALID_ARGUMENT", callStatus: "INVALID" },
  /** A transfer stood still, or what runs in the slot disturbed it. */
  TRANSFER_BROKEN: { code: "UNAVAILABLE", callStatus: "LOST" },
  NOT_BUILT: { code: "UNIMPLEMENTED", callStatus: "INVALID" },
  INTERNAL: { code: "INTERNAL", callStatus: "LOST" },
} as const satisfies Record<string, Meaning>;

export type Reason = keyof typeof MEANING;

export class SwitchyardError extends Error {
  override readonly name = "SwitchyardError";

  constructor(
    readonly reason: Reason,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }

  get meaning(): Meaning {
    return MEANING[this.reason];
  }
}

/** The first error wins and keeps its reason; `context` goes in front of its message. */
export function withContext(context: string, error: unknown, otherwise: Reason): SwitchyardError {
  const reason = error instanceof SwitchyardError ? error.reason : otherwise;
  return new SwitchyardError(reason, `${context}: ${messageOf(error)}`, { cause: error });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
