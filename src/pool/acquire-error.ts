// Why a slot could not be had, as callers are told.
import { messageOf, SwitchyardError } from "../core/errors.js";

export function acquireFailed(why: unknown): SwitchyardError {
  // Whatever went wrong, the call never reached a runner, so only what is not NOT_STARTED for sure keeps its reason.
  const keep = why instanceof SwitchyardError && why.reason === "SANDBOX_UNAVAILABLE";
  const reason = keep ? "SANDBOX_UNAVAILABLE" : "ACQUIRE_FAILED";
  return new SwitchyardError(reason, `Failed to acquire slot: ${messageOf(why)}`, { cause: why });
}

export function acquireShutDown(): SwitchyardError {
  return new SwitchyardError("SHUTTING_DOWN", "Failed to acquire slot: shutting down");
}
