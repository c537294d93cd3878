// What the client rejects with. A failed call is no error: it resolves with a ToolResult that says how it ended.
import type { Reason } from "../core/errors.js";
import type { CallStatus, Fault } from "../core/outcome.js";

/**
 * Why a call, a trajectory or a request failed: the server's own reason (see `tool_executor_service.proto`), or one of
 * the client's:
 *
 * - `REJECTED`: the server never accepted the call; a {@link CallRejectedError} says why.
 * - `UNREACHABLE`: no connection within `openTimeoutMs` or `reconnectTimeoutMs`; `cause` is the last attempt's error. At once
 *   when the first connection fails for a certificate: the message says whose, and why.
 * - `CLOSED`: the trajectory or the client was closed before, or meanwhile.
 * - `EVENTS_OVERFLOW`: an iterator of events was not read while 10,000 of them came.
 * - `UNKNOWN`: the server or gRPC gave no reason that this client knows; `code` and the message say more.
 */
export type ErrorReason = Reason | "REJECTED" | "UNREACHABLE" | "CLOSED" | "EVENTS_OVERFLOW" | "UNKNOWN";

export class SwitchyardClientError extends Error {
  override readonly name: string = "SwitchyardClientError";
  /** Name of the gRPC status code, such as `PERMISSION_DENIED`, where one came. */
  readonly code: string | undefined;

  constructor(
    readonly reason: ErrorReason,
    message: string,
    options: { readonly code?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
  }
}

/** The server never accepted the call: it did not run, is in no ledger, and the trajectory goes on. */
export class CallRejectedError extends SwitchyardClientError {
  override readonly name = "CallRejectedError";

  constructor(
    readonly uniqId: string,
    /** `INVALID`: mend the call. `NOT_STARTED`: a limit; the same `uniqId` may be tried later. `LOST`: a server's bug. */
    readonly status: CallStatus,
    readonly fault: Fault,
    message: string,
  ) {
    super("REJECTED", message);
  }
}
