// A running server, as `serve` sees it.

export interface Service {
  /** Where it listens, with the port that it really got. */
  readonly address: string;
  readonly backend: string;
  /** Slots that can be leased at once without starting containers. */
  readonly slots: number;
  /** Takes no more calls, lets running ones go on for `graceMs`, destroys every slot. Idempotent. */
  close(graceMs: number): Promise<void>;
}
