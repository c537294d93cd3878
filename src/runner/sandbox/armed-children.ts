// The children of a launcher that wait for their request, and who waits for one. Where nothing is at work the launcher arms
// one child by itself, once; all others are asked for. Invariant: each who waits is given one, or told why not, as soon as
// the launcher has said what came of the one that was armed for him.
import type { Armed } from "./run.js";

/** The slot has no room for one more process: what runs in it has taken it. */
export class CannotStart extends Error {}

/** Children that wait; an honest launcher never makes so many. */
const ARMED_MAX = 16;

interface Waiter {
  resolve(armed: Armed): void;
  reject(error: Error): void;
  /** Whether the launcher was asked for one. */
  isAsked: boolean;
}

export class ArmedChildren {
  readonly #ready: Armed[] = [];
  readonly #wanting: Waiter[] = [];
  /** The last one could not be made: the launcher tries no other by itself. */
  #refused = false;

  /** `ask` asks the launcher for one more. */
  constructor(private readonly ask: () => void) {}

  get isFull(): boolean {
    return this.#ready.length >= ARMED_MAX;
  }

  /** One that waits, if there is one. */
  takeReady(): Armed | undefined {
    return this.#ready.shift();
  }

  /** `atWork`: whether any has a request and has not ended. Rejects with CannotStart. */
  take(atWork: boolean): Promise<Armed> {
    const isAsked = atWork || this.#wanting.length > 0 || this.#refused;
    if (isAsked) this.ask();
    return new Promise((resolve, reject) => this.#wanting.push({ resolve, reject, isAsked }));
  }

  /** It was not used. */
  putBack(armed: Armed): void {
    this.#ready.unshift(armed);
  }

  add(armed: Armed): void {
    this.#refused = false;
    const first = this.#wanting.shift();
    if (first) first.resolve(armed);
    else this.#ready.push(armed);
  }

  /** One could not be made. What was tried unasked is nobody's answer: who waits for it asks now. */
  refuse(why: string): void {
    this.#refused = true;
    const [first] = this.#wanting;
    if (first?.isAsked) {
      this.#wanting.shift();
      first.reject(new CannotStart(`Cannot start a process: ${why}`));
    } else if (first) {
      first.isAsked = true;
      this.ask();
    }
  }

  /** One was gone before it could be used. Where nothing is at work the launcher arms the next by itself. */
  lost(): void {
    if (this.#wanting[0]?.isAsked) this.ask();
  }

  /** Something in the slot killed it while it waited. */
  drop(id: string): void {
    const at = this.#ready.findIndex((armed) => armed.id === id);
    const [dead] = at < 0 ? [] : this.#ready.splice(at, 1);
    dead?.set.close();
  }

  end(why: string): void {
    for (const { set } of this.#ready.splice(0)) set.close();
    for (const { reject } of this.#wanting.splice(0)) reject(new Error(why));
  }
}
