// Ends containers, and keeps trying when the engine says no; owns each from the moment that it is handed over.
// Invariant: a container counts until its destroy() has resolved, so that the pool cannot exceed its maximum.
import type { Container } from "../backend/backend.js";
import type { Clock } from "../core/clock.js";
import { messageOf } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import type { PoolLimits } from "./limits.js";

export class Remover {
  readonly #removals = new Set<Promise<void>>();
  /** Ends the pause between two attempts. */
  readonly #wake = new Set<() => void>();
  #closing = false;

  constructor(
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly limits: PoolLimits,
    /** A container is gone, and counts no longer. */
    private readonly onGone: () => void,
  ) {}

  /** Containers that are not gone yet. */
  get size(): number {
    return this.#removals.size;
  }

  /** Resolves when the container is gone; when closing, after the last attempt. */
  remove(container: Container): Promise<void> {
    const removal = this.#destroy(container).finally(() => {
      this.#removals.delete(removal);
      this.onGone();
    });
    this.#removals.add(removal);
    return removal;
  }

  /** Tries each that is left once more. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const wake of [...this.#wake]) wake();
    await Promise.all(this.#removals);
  }

  async #destroy(container: Container): Promise<void> {
    for (let pauseMs = this.limits.backoffMs; ; pauseMs = Math.min(2 * pauseMs, this.limits.backoffMaxMs)) {
      const lastAttempt = this.#closing;
      try {
        await container.destroy();
        return;
      } catch (error) {
        this.log.error({ container_id: container.id, reason: messageOf(error) }, "container could not be destroyed");
        if (lastAttempt) return;
      }
      if (!this.#closing) await this.#pause(pauseMs);
    }
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        this.#wake.delete(wake);
        resolve();
      };
      const timer = this.clock.after(pauseMs, wake);
      this.#wake.add(wake);
    });
  }
}
