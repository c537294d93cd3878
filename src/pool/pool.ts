// The containers and slots of one pool: who waits, who holds which slot, when containers come and go.
// Owns every container from its start until it is gone. Invariants: never more than maxContainers exist, a slot has at
// most one holder and is wiped before the next, and every waiter is granted or rejected.
import type { AdoptedContainer, Backend, Isolation } from "../backend/backend.js";
import type { Clock, Timer } from "../core/clock.js";
import { messageOf, SwitchyardError, withContext } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { ANYONE, type Principal } from "../core/principal.js";
import { acquireFailed, acquireShutDown } from "./acquire-error.js";
import { adviseStart, afterFailure, CLOSED, isOpen } from "./breaker.js";
import { type PoolLimits, poolLimits } from "./limits.js";
import { PoolContainer } from "./pool-container.js";
import { Remover } from "./remover.js";
import { containersToStart, idleToEnd } from "./scaler.js";
import type { LeasedSlot, SlotState } from "./slot.js";
import { startContainer } from "./start-container.js";
import { Startup } from "./startup.js";
import { countSlots, type PoolStatus, slotStates } from "./status.js";
import { Waiters } from "./waiters.js";

export interface PoolOptions {
  readonly name: string;
  readonly backend: Pick<Backend, "name" | "startContainer">;
  readonly clock: Clock;
  readonly log: Logger;
  /** What is left out has the default of POOL_LIMITS. */
  readonly limits: Partial<PoolLimits>;
}

export interface AcquireOptions {
  /** Slots go round robin over the principals that wait, and within each over its groups; ANYONE when absent. */
  readonly principal?: Principal;
  readonly group: string;
  /** Ends the waiting: acquire rejects with its reason. Without effect once a slot was granted. */
  readonly signal?: AbortSignal;
}

/** A timer of more than 24.8 days fires at once. */
const AGAIN_MAX_MS = 3_600_000;

export class Pool {
  /** Since the server's start; lost are containers that ended unasked. */
  readonly tally = { containersStarted: 0, startsFailed: 0, containersLost: 0 };
  readonly #limits: PoolLimits;
  readonly #waiters = new Waiters();
  readonly #members = new Set<PoolContainer>();
  readonly #owners = new WeakMap<LeasedSlot, PoolContainer>();
  readonly #remover: Remover;
  /** One for each container on its way up. */
  readonly #starts = new Map<AbortController, Promise<void>>();
  #breaker = CLOSED;
  readonly #startup = new Startup();
  #isolation: Isolation | undefined;
  #again: Timer | undefined;
  /** What is left to do for containers that were adopted. */
  readonly #adopted: (() => void)[] = [];
  #closing = false;
  #gone: Promise<void> | undefined;

  constructor(private readonly options: PoolOptions) {
    this.#limits = poolLimits(options.limits);
    this.#remover = new Remover(options.clock, options.log, this.#limits, () => this.#tend());
  }

  get name(): string {
    return this.options.name;
  }

  /**
   * Takes over a container that an earlier server of the instance started; before `start`. Returns its slots that a
   * trajectory has, by index.
   */
  adopt({ container, outdated, slots }: AdoptedContainer): (LeasedSlot | undefined)[] {
    const { clock, log } = this.options;
    const member = new PoolContainer({
      container,
      clock,
      log,
      slotTimeoutS: this.#limits.slotTimeoutS,
      onChange: () => this.#tend(),
      onReopenFailed: (beganMs, error) => this.#noteFailure(beganMs, error),
    });
    const leased = member.adopt(slots);
    for (const slot of leased) if (slot) this.#owners.set(slot, member);
    if (outdated) member.retire();
    this.#adopted.push(() => member.settle(slots));
    this.#members.add(member);
    this.#isolation = container.runner.isolation;
    return leased;
  }

  /** Resolves when minContainers are up. Rejects, closed, when none comes up or the breaker opens on the way there. */
  async start(): Promise<void> {
    if (this.#closing) throw this.#closedError();
    const up = this.#startup.wait();
    for (const settle of this.#adopted.splice(0)) settle();
    this.#tend();
    try {
      await up;
    } catch (error) {
      await this.leave();
      throw error;
    }
  }

  /** Rejects with ACQUIRE_FAILED or SANDBOX_UNAVAILABLE when no container will start, SHUTTING_DOWN, or the signal's reason. */
  acquire({ principal = ANYONE, group, signal }: AcquireOptions): Promise<LeasedSlot> {
    if (this.#closing) return Promise.reject(acquireShutDown());
    const slot = this.#waiters.wait(principal, group, signal);
    this.#tend();
    return slot;
  }

  /**
   * Gives a slot back. Resolves true when it was verifiably wiped, which it always is before anyone gets it again; false
   * when the wipe failed or its container died. Idempotent; never rejects.
   */
  release(slot: LeasedSlot): Promise<boolean> {
    return this.#owners.get(slot)?.release(slot) ?? Promise.resolve(false);
  }

  status(): PoolStatus {
    const { name, backend } = this.options;
    const identity = { name, backend: backend.name, isolation: this.#isolation };
    return { ...identity, ...countSlots(this.#members), waiting: this.#waiters.size };
  }

  slotStates(): Record<SlotState, number> {
    return slotStates(this.#members);
  }

  /** Why it can serve nobody: no container is up, and none can be started. Undefined while it can. */
  whyDown(): string | undefined {
    return this.#isDown ? messageOf(this.#breaker.lastError) : undefined;
  }

  /** As close, but containers that trajectories live in are left to the next server, if they can live without this one. */
  leave(): Promise<void> {
    for (const member of this.#members) {
      if (!member.lost && member.count("leased") > 0 && member.container.leave()) this.#members.delete(member);
    }
    return this.close();
  }

  /** Rejects who waits, tells who holds a slot that it is lost, and resolves when all containers are gone. Idempotent. */
  close(): Promise<void> {
    this.#closing = true;
    this.#gone ??= this.#shutDown();
    return this.#gone;
  }

  async #shutDown(): Promise<void> {
    const why = this.#closedError();
    this.#again?.cancel();
    this.#startup.fail(why);
    this.#waiters.failAll(acquireShutDown());
    for (const abort of this.#starts.keys()) abort.abort(why);
    for (const member of this.#members) {
      member.die(why);
      void this.#remover.remove(member.container);
    }
    this.#members.clear();
    await Promise.all(this.#starts.values());
    await this.#remover.close();
  }

  /** Brings everything up to date; called after every change. */
  #tend(): void {
    if (this.#closing) return;
    this.#again?.cancel();
    this.#serveWaiters();
    const idleAgainMs = this.#endIdle();
    this.#removeFinished();
    const startAgainMs = this.#startNeeded();
    const serving = this.#serving().length;
    if (this.#isDown && this.#starts.size === 0) this.#waiters.failAll(acquireFailed(this.#breaker.lastError));
    // What an earlier server left may fill the pool and serve only the trajectories that it has.
    const full = this.#starts.size === 0 && this.#members.size >= this.#limits.maxContainers;
    if (serving >= this.#limits.minContainers || full) this.#startup.isUp();
    if (idleAgainMs === undefined && startAgainMs === undefined) return;
    const againMs = Math.min(idleAgainMs ?? AGAIN_MAX_MS, startAgainMs ?? AGAIN_MAX_MS, AGAIN_MAX_MS);
    this.#again = this.options.clock.after(againMs, () => this.#tend());
  }

  get #isDown(): boolean {
    return isOpen(this.#breaker, this.#limits) && this.#serving().length === 0;
  }

  #serving(): PoolContainer[] {
    return [...this.#members].filter((member) => member.serving);
  }

  /** The oldest container first, so that the newest may become idle. */
  #serveWaiters(): void {
    for (const member of this.#members) {
      while (this.#waiters.size > 0) {
        const slot = member.lease();
        if (!slot) break;
        this.#owners.set(slot, member);
        this.#waiters.grantNext(slot);
      }
    }
  }

  #endIdle(): number | undefined {
    const idle = this.#serving().map((container) => ({ container, idleSinceMs: container.idleSinceMs }));
    const { end, againMs } = idleToEnd(idle, this.options.clock.now(), this.#limits);
    for (const member of end) member.retire();
    return againMs;
  }

  #removeFinished(): void {
    for (const member of this.#members) {
      if (!member.finished) continue;
      this.#members.delete(member);
      if (member.lost) this.tally.containersLost += 1;
      this.options.log.info({ ...this.#fields(member), reason: member.whyLost }, "container ends");
      void this.#remover.remove(member.container);
    }
  }

  /** Starts what is needed now; returns when to look again, if starts are paused. */
  #startNeeded(): number | undefined {
    const serving = this.#serving();
    const starting = this.#starts.size;
    const demand = {
      waiters: this.#waiters.size,
      slotsReady: serving.reduce((total, member) => total + member.count("ready"), 0),
      starting,
      serving: serving.length,
      leaving: this.#members.size - serving.length + this.#remover.size,
    };
    const wanted = containersToStart(demand, this.#limits);
    const advice = adviseStart(this.#breaker, wanted, starting, this.options.clock.now(), this.#limits);
    if (advice.kind === "pause") return advice.againMs;
    for (let started = 0; started < advice.count; started += 1) this.#startOne();
    return undefined;
  }

  #startOne(): void {
    const abort = new AbortController();
    const beganMs = this.options.clock.now();
    const { name: pool, backend, clock, log } = this.options;
    const start = startContainer({
      pool,
      backend,
      clock,
      log,
      limits: this.#limits,
      remover: this.#remover,
      abort,
      onChange: () => this.#tend(),
      onReopenFailed: (reopenBeganMs, error) => this.#noteFailure(reopenBeganMs, error),
    }).then(
      (member) => this.#joined(abort, member),
      (error: unknown) => this.#failedToStart(abort, beganMs, error),
    );
    this.#starts.set(abort, start);
  }

  #joined(abort: AbortController, member: PoolContainer): void {
    this.#starts.delete(abort);
    if (this.#closing) {
      member.die(this.#closedError());
      void this.#remover.remove(member.container);
      return;
    }
    this.#members.add(member);
    this.#breaker = CLOSED;
    this.tally.containersStarted += 1;
    this.#isolation = member.container.runner.isolation;
    this.options.log.info({ ...this.#fields(member), slots: member.slots.length }, "container is up");
    this.#tend();
  }

  #failedToStart(abort: AbortController, beganMs: number, error: unknown): void {
    this.#starts.delete(abort);
    if (this.#closing) return;
    this.#noteFailure(beganMs, error);
    const noneWasUp = this.#isolation === undefined;
    if (noneWasUp || isOpen(this.#breaker, this.#limits)) {
      this.#startup.fail(withContext(`pool ${this.name}: no container could be started`, error, "BACKEND_UNAVAILABLE"));
    }
    this.#tend();
  }

  #noteFailure(beganMs: number, error: unknown): void {
    this.#breaker = afterFailure(this.#breaker, { beganMs, nowMs: this.options.clock.now(), error }, this.#limits);
    this.tally.startsFailed += 1;
    const { failures } = this.#breaker;
    this.options.log.warn({ pool: this.name, failures, reason: messageOf(error) }, "container start failed");
  }

  #closedError(): SwitchyardError {
    return new SwitchyardError("SHUTTING_DOWN", `pool ${this.name} is shutting down`);
  }

  #fields(member: PoolContainer) {
    return { pool: this.name, container_id: member.container.id };
  }
}
