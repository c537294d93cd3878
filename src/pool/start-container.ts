// Brings up one container with all its slots open. Invariant: it either returns a container that serves, or rejects
// and has handed whatever came up to the remover.
import type { Backend, Container } from "../backend/backend.js";
import { SwitchyardError } from "../core/errors.js";
import type { PoolLimits } from "./limits.js";
import { PoolContainer, type PoolContainerOptions } from "./pool-container.js";
import type { Remover } from "./remover.js";

export interface StartOptions extends Omit<PoolContainerOptions, "container" | "slotTimeoutS"> {
  readonly pool: string;
  readonly backend: Pick<Backend, "startContainer">;
  readonly limits: PoolLimits;
  readonly remover: Remover;
  /** Aborted by the pool when it closes, and by the deadline of the start without its slots. */
  readonly abort: AbortController;
}

export async function startContainer(options: StartOptions): Promise<PoolContainer> {
  const container = await startInTime(options);
  try {
    return await openSlots(container, options);
  } catch (error) {
    throw options.abort.signal.aborted ? options.abort.signal.reason : error;
  }
}

async function startInTime(options: StartOptions): Promise<Container> {
  const { pool, backend, clock, limits, remover, abort } = options;
  const late = new SwitchyardError("BACKEND_UNAVAILABLE", `container did not start within ${limits.startTimeoutS} s`);
  const deadline = clock.after(limits.startTimeoutS * 1000, () => abort.abort(late));
  try {
    return await backend.startContainer(pool, abort.signal, (left) => void remover.remove(left));
  } catch (error) {
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    deadline.cancel();
  }
}

/** As long as one slot after the other gets done: a hundred take their time. */
async function openSlots(container: Container, options: StartOptions): Promise<PoolContainer> {
  const { clock, log, limits, remover, abort, onChange, onReopenFailed } = options;
  const { slotTimeoutS } = limits;
  const member = new PoolContainer({ container, clock, log, slotTimeoutS, onChange, onReopenFailed });
  const stop = () => member.die(new SwitchyardError("RUNNER_LOST", "the start was given up"));
  abort.signal.addEventListener("abort", stop, { once: true });
  try {
    abort.signal.throwIfAborted();
    await member.open();
    return member;
  } catch (error) {
    void remover.remove(container);
    throw error;
  } finally {
    abort.signal.removeEventListener("abort", stop);
  }
}
