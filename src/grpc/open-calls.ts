// The RPCs of each trajectory's transfers that are open. A transfer that has ended is none any more, but what was sent of it
// waits in the server's memory until its client reads it or goes away: those count too.
import { SwitchyardError } from "../core/errors.js";
import type { Principal } from "../core/principal.js";

/** As many as a trajectory may have transfers; each holds about 1 MiB. */
const OPEN_MAX = 4;

export class OpenCalls {
  readonly #byTrajectory = new Map<string, number>();

  /** Counts one until `closed` aborts. Throws LIMIT_REACHED. */
  enter(principal: Principal, trajectoryId: string, closed: AbortSignal): void {
    if (closed.aborted) return;
    // An id has no spaces.
    const key = `${trajectoryId} ${principal}`;
    const open = this.#byTrajectory.get(key) ?? 0;
    if (open >= OPEN_MAX) {
      const text = `${OPEN_MAX} requests for this trajectory's files are open whose clients do not read: read or cancel them`;
      throw new SwitchyardError("LIMIT_REACHED", text);
    }
    this.#byTrajectory.set(key, open + 1);
    closed.addEventListener("abort", () => this.#leave(key), { once: true });
  }

  #leave(key: string): void {
    const open = (this.#byTrajectory.get(key) ?? 0) - 1;
    if (open > 0) this.#byTrajectory.set(key, open);
    else this.#byTrajectory.delete(key);
  }
}
