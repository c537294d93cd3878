// A running server, as `serve` sees it.

import type { Reloadable } from "./reload.js";

export interface Service {
  /** Where it listens, with the port that it really got. */
  readonly address: string;
  /** Of metrics and health; absent when `http.listen` is empty. */
  readonly httpAddress?: string;
  readonly backend: string;
  /** Slots that can be leased at once without starting containers. */
  readonly slots: number;
  /** Takes no more calls, lets running ones go on for `graceMs`, destroys every slot. Idempotent. */
  close(graceMs: number): Promise<void>;
  /** As close, but what lives in containers is left to the next server of the instance. */
  handOver(graceMs: number): Promise<void>;
  /** Resolves when a newer server of the instance has taken over: this one can only end. */
  readonly fenced: Promise<void>;
  /** What of it can change while it runs. */
  readonly reloadable: readonly Reloadable[];
}
