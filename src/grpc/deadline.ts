// Deadlines that grpc-js cannot keep: it counts a `grpc-timeout` in 32 bits of milliseconds, so that one of 25 to 49 days
// comes out negative and would end the call at once. Such a call is refused instead, and told why.
import { SwitchyardError } from "../core/errors.js";

/** No call waits so long for its handler. */
const PAST_MS_MAX = 3_600_000;

/** Throws INVALID_FIELD for a deadline that overflowed. */
export function requireDeadline(deadline: Date | number): void {
  if (Number(deadline) > Date.now() - PAST_MS_MAX) return;
  throw new SwitchyardError("INVALID_FIELD", "the deadline is over 24 days away: set a shorter one, or none");
}
