// What goes up and comes down while a stream is open: calls, their answers, acknowledgements. Outlives streams and lives.
// Invariant: acknowledgements go before calls, so that the server never counts more calls than `ServerView.window`.

import type { Opened } from "../gen/switchyard/v1/trajectory.js";
import { AckBook } from "./ack-book.js";
import { CallBook } from "./call-book.js";
import { CallRejectedError } from "./errors.js";
import type { TrajectoryEvent } from "./events.js";
import { encodeFrame } from "./messages.js";
import { ServerView } from "./server-view.js";
import { faultOf, statusOf, type ToolResult, toolResultOf } from "./tool-result.js";
import type { Frame } from "./transport.js";

/** Of 128 characters each they fit a message of the server's 16 MiB many times. */
const ACKS_PER_FRAME = 10_000;

export class Exchange {
  readonly view = new ServerView();
  readonly book = new CallBook();
  readonly #acks = new AckBook();
  #hasPast = false;

  constructor(private readonly emit: (event: TrajectoryEvent) => void) {}

  /** Whether every call is answered, and every answer acknowledged. */
  get done(): boolean {
    return this.book.size === 0 && this.#acks.due === 0;
  }

  /** Whether this life has seen a call: then another one is not the same to the next. */
  get hasPast(): boolean {
    return this.#hasPast;
  }

  discard(uniqId: string): void {
    if (this.view.discard(uniqId)) this.#acks.owe(uniqId);
  }

  /** A new stream: what is to be sent again, what is lost, and the events that tell of it. */
  opened(opened: Opened): void {
    const first = this.view.incarnation === "";
    const isOurs = (uniqId: string) => this.book.has(uniqId) || this.#acks.has(uniqId);
    const { newLife, slotLost } = this.view.opened(opened, isOurs);
    const lost = newLife ? this.#beginAnew() : this.#goOn(opened);
    if (first || newLife) this.#hasPast = this.view.resumed;
    if (first) return;
    const { incarnation, slotGeneration } = this.view;
    this.emit({ type: "reconnected", resumed: !newLife, incarnation, slotGeneration, lost });
    if (slotLost === undefined) return;
    this.emit({ type: "slot_lost", slotGeneration: slotLost, reason: "lost while disconnected" });
  }

  /** The next frame to write, which will have this number. */
  nextFrame(number: number, callsToo: boolean): Uint8Array | undefined {
    const uniqIds = this.#acks.take(number, ACKS_PER_FRAME);
    if (uniqIds.length > 0) return encodeFrame({ $case: "ack", value: { uniqIds } });
    const uniqId = this.book.sendCancel();
    if (uniqId !== undefined) return encodeFrame({ $case: "cancel", value: { uniqId } });
    const call = callsToo ? this.book.send(number, this.view.window) : undefined;
    if (call === undefined) return undefined;
    this.#hasPast = true;
    this.view.claim(call.uniqId);
    return call.bytes;
  }

  /** Whether it answered a call of this client. */
  result({ value }: Extract<Frame, { $case: "result" }>): boolean {
    const result = toolResultOf(value);
    const { uniqId } = result;
    const call = this.book.answered(uniqId);
    if (call === undefined) {
      this.#notOurs(result);
      return false;
    }
    if (call.frame !== undefined) this.#acks.confirm(call.frame);
    this.#acks.owe(uniqId);
    this.view.ranIn(result.slotGeneration, result.status);
    call.settle(result);
    return true;
  }

  rejected({ value }: Extract<Frame, { $case: "rejected" }>): void {
    const call = this.book.answered(value.uniqId);
    if (call === undefined) return;
    if (call.frame !== undefined) this.#acks.confirm(call.frame);
    const status = statusOf(value.status);
    call.reject(new CallRejectedError(value.uniqId, status, faultOf(value.fault, status), value.error));
  }

  slotLost({ value }: Extract<Frame, { $case: "slotLost" }>): void {
    const { slotGeneration, reason } = value;
    this.view.lostSlot(slotGeneration);
    this.emit({ type: "slot_lost", slotGeneration, reason });
  }

  /** A repetition whose acknowledgement is under way, or a call of an earlier client. */
  #notOurs(result: ToolResult): void {
    if (this.#acks.has(result.uniqId)) return;
    if (this.view.unclaimedResult(result.uniqId)) this.#acks.owe(result.uniqId);
    else this.emit({ type: "unclaimed", result });
  }

  #beginAnew(): string[] {
    this.#acks.clear();
    const lost = this.book.loseDoubtful();
    this.book.dropGuarded();
    return lost;
  }

  #goOn(opened: Opened): string[] {
    this.#acks.restart();
    this.book.reopen(new Set(opened.known.map(({ uniqId }) => uniqId)), opened.knownTruncated);
    return [];
  }
}
