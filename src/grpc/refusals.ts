// Says in the log which connections and requests were refused, and why, however many there are: the first of each kind at once, and then
// one line each ten seconds with the number of the others.
import type { Clock, Timer } from "../core/clock.js";
import type { Logger } from "../core/log.js";

const PAUSE_MS = 10_000;

/** Each is what the log line says. */
export type Refusal =
  | "connection refused: plain text on a port that speaks TLS"
  | "connection refused: a TLS hello on a port that speaks plain text; set tls.cert and tls.key, or connect without TLS"
  | "connection refused: no client certificate"
  | "connection refused: the client certificate is not good"
  | "connection refused: no HTTP/2 over TLS (ALPN h2)"
  | "connection refused: the TLS handshake failed"
  | "connection dropped: too many that say nothing"
  | "connection lost: it could not be accepted"
  | "request refused: no token"
  | "request refused: an unknown token"
  | "request refused: an expired token"
  | "request refused: a client certificate without a name";

interface Pause {
  readonly timer: Timer;
  fields: object;
  more: number;
}

export class Refusals {
  readonly #pauses = new Map<Refusal, Pause>();

  constructor(
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  add(refusal: Refusal, fields: object): void {
    const pause = this.#pauses.get(refusal);
    if (pause) {
      pause.more += 1;
      pause.fields = fields;
      return;
    }
    this.log.warn(fields, refusal);
    this.#pause(refusal);
  }

  close(): void {
    for (const { timer } of this.#pauses.values()) timer.cancel();
    this.#pauses.clear();
  }

  #pause(refusal: Refusal): void {
    const timer = this.clock.after(PAUSE_MS, () => this.#summarise(refusal));
    this.#pauses.set(refusal, { timer, fields: {}, more: 0 });
  }

  /** `fields` are the last one's. */
  #summarise(refusal: Refusal): void {
    const { more, fields } = this.#pauses.get(refusal) ?? { more: 0, fields: {} };
    this.#pauses.delete(refusal);
    if (more === 0) return;
    this.log.warn({ ...fields, times: more }, refusal);
    this.#pause(refusal);
  }
}
