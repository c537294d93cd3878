// What each principal has of this server: its trajectories, the slots that they have, the calls that it may begin. Invariant:
// nothing here finds a trajectory of another principal.
import type { Clock } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import type { AllowanceOf, Principal } from "../core/principal.js";
import { CallRate } from "./call-rate.js";
import { SlotQuota } from "./slot-quota.js";
import type { Trajectory } from "./trajectory.js";

export class Account {
  /** By trajectory_id. */
  readonly trajectories = new Map<string, Trajectory>();
  readonly slots: SlotQuota;
  readonly #rate: CallRate;

  constructor(
    readonly principal: Principal,
    clock: Clock,
    private readonly allowanceOf: AllowanceOf,
  ) {
    this.slots = new SlotQuota(principal, () => allowanceOf(principal).slotsMax);
    this.#rate = new CallRate(clock, () => allowanceOf(principal).callsPerS);
  }

  /** Whether a new one would be the same. */
  get isBlank(): boolean {
    const { slotsMax, callsPerS } = this.allowanceOf(this.principal);
    return this.trajectories.size === 0 && slotsMax === 0 && callsPerS === 0;
  }

  /** Throws LIMIT_REACHED when a stream more would be one too many. One that takes a trajectory over is not one more. */
  requireStream(trajectory: Trajectory | undefined): void {
    const { streamsMax } = this.allowanceOf(this.principal);
    if (streamsMax === 0 || trajectory?.hasStream) return;
    let streams = 0;
    for (const { hasStream } of this.trajectories.values()) if (hasStream) streams += 1;
    if (streams < streamsMax) return;
    throw limit(`this token may have ${streamsMax} live streams (streams_max): end one, or wait until one ends`);
  }

  /** Throws LIMIT_REACHED while no call may begin. */
  requireCall(): void {
    const waitMs = this.#rate.waitMs();
    if (waitMs === 0) return;
    const { callsPerS } = this.allowanceOf(this.principal);
    throw limit(
      `this token may begin ${callsPerS} calls a second (calls_per_s): send the call again in ${waitMs} ms or later`,
    );
  }

  /** Counts a call that begins. Throws LIMIT_REACHED. */
  takeCall(): void {
    this.requireCall();
    this.#rate.take();
  }
}

const NONE: ReadonlyMap<string, Trajectory> = new Map();

export class Accounts {
  readonly #accounts = new Map<Principal, Account>();
  #size = 0;

  constructor(
    private readonly clock: Clock,
    private readonly allowanceOf: AllowanceOf,
  ) {}

  /** A blank one is kept from its first trajectory on: names of certificates may come without end. */
  of(principal: Principal): Account {
    const known = this.#accounts.get(principal);
    if (known) return known;
    const account = new Account(principal, this.clock, this.allowanceOf);
    if (!account.isBlank) this.#accounts.set(principal, account);
    return account;
  }

  add(account: Account, trajectory: Trajectory): void {
    this.#accounts.set(account.principal, account);
    account.trajectories.set(trajectory.identity.trajectoryId, trajectory);
    this.#size += 1;
  }

  find(principal: Principal, trajectoryId: string): Trajectory | undefined {
    return this.#accounts.get(principal)?.trajectories.get(trajectoryId);
  }

  /** By trajectory_id. Asking makes no account. */
  trajectoriesOf(principal: Principal): ReadonlyMap<string, Trajectory> {
    return this.#accounts.get(principal)?.trajectories ?? NONE;
  }

  /** All trajectories, whoever's. */
  *all(): Generator<Trajectory> {
    for (const { trajectories } of this.#accounts.values()) yield* trajectories.values();
  }

  /** Of all trajectories. */
  get size(): number {
    return this.#size;
  }

  /** Only if it is this very one. */
  forget(trajectory: Trajectory): void {
    const { principal, trajectoryId } = trajectory.identity;
    const account = this.#accounts.get(principal);
    if (account?.trajectories.get(trajectoryId) !== trajectory) return;
    account.trajectories.delete(trajectoryId);
    this.#size -= 1;
    if (account.isBlank) this.#accounts.delete(principal);
  }

  /** What principals may have is another by now. */
  allowancesChanged(): void {
    for (const { slots } of this.#accounts.values()) slots.pump();
  }
}

function limit(message: string): SwitchyardError {
  return new SwitchyardError("LIMIT_REACHED", message);
}
