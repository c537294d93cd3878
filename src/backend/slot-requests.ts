// Requests for a runner's slots that await their answer: one of a kind for each slot at a time. Invariant: each is
// answered once, however often it was sent, or fails when the runner is lost.
import { SwitchyardError } from "../core/errors.js";
import type { ServerFrame, SlotOpened } from "../gen/switchyard/runner/v1/runner.js";

interface Request {
  readonly seq: number;
  resolve(): void;
  reject(error: SwitchyardError): void;
}

const ERROR_CHARS_MAX = 1000;

export class SlotRequests {
  readonly #waiting = new Map<number, Request>();
  #lastSeq = 0;

  constructor(
    private readonly kind: "openSlot" | "closeSlot",
    private readonly send: (frame: NonNullable<ServerFrame["frame"]>) => void,
  ) {}

  ask(slot: number): Promise<void> {
    if (this.#waiting.has(slot)) return Promise.reject(new SwitchyardError("INTERNAL", `slot ${slot} was asked twice`));
    this.#lastSeq += 1;
    const seq = this.#lastSeq;
    return new Promise((resolve, reject) => {
      this.#waiting.set(slot, { seq, resolve, reject });
      this.send({ $case: this.kind, value: { slot, seq } });
    });
  }

  has(slot: number): boolean {
    return this.#waiting.has(slot);
  }

  /** False when nobody asked. */
  answer({ slot, seq, error }: SlotOpened): boolean {
    if (seq === 0 || seq > this.#lastSeq) return false;
    const waiting = this.#waiting.get(slot);
    // A request that was sent again is answered twice.
    if (waiting?.seq !== seq) return true;
    this.#waiting.delete(slot);
    if (error) waiting.reject(new SwitchyardError("SANDBOX_UNAVAILABLE", error.slice(0, ERROR_CHARS_MAX)));
    else waiting.resolve();
    return true;
  }

  sendAgain(): void {
    for (const [slot, { seq }] of this.#waiting) this.send({ $case: this.kind, value: { slot, seq } });
  }

  failAll(error: SwitchyardError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
