// All trajectories of one server: found by principal and id, guarded by their tokens, forgotten when they end.
import { createHash, timingSafeEqual } from "node:crypto";
import type { AdoptedLease } from "../backend/backend.js";
import type { Transfer, TransferRequest, TransferWork } from "../core/artifacts.js";
import type { Call } from "../core/call.js";
import type { Clock } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import type { Outcome } from "../core/outcome.js";
import { type AllowanceOf, type Principal, UNLIMITED } from "../core/principal.js";
import type { CallTracer } from "../core/trace.js";
import { waitAtMost } from "../core/wait-at-most.js";
import type { Catalogue } from "../tools/catalogue.js";
import { type Account, Accounts } from "./account.js";
import type { Submit } from "./call-queue.js";
import type { LedgerLimits } from "./ledger.js";
import { mostActive } from "./most-active.js";
import type {
  Attachment,
  Directory,
  EventSink,
  ExecuteRequest,
  OpenRequest,
  ReleaseRequest,
  TrajectoryKey,
  TrajectoryOverview,
} from "./session.js";
import type { HeldSlot } from "./slot-holder.js";
import type { PoolSlots } from "./slot-quota.js";
import type { CallCounters, Follow, OnFinished, TrajectoryIdentity } from "./surroundings.js";
import { Trajectory } from "./trajectory.js";

export interface DirectoryOptions {
  readonly clock: Clock;
  /** By pool name. */
  readonly pools: ReadonlyMap<string, { readonly slots: PoolSlots; readonly timeoutDefaultS: number }>;
  readonly submit: Submit;
  readonly follow: Follow;
  readonly catalogue: Pick<Catalogue, "plan">;
  readonly ledger: LedgerLimits;
  readonly leaseDefaultS: number;
  readonly leaseMaxS: number;
  /** Of calls that are queued or running, of one trajectory and of all. */
  readonly callBytes: { readonly trajectoryMax: number; readonly serverMax: number };
  readonly queueTimeoutS: number;
  readonly lifetimeS: number;
  /** What each principal may have; no limits when absent. */
  readonly allowanceOf?: AllowanceOf;
  /** Told of each call that ended. */
  readonly onFinished?: OnFinished;
  /** Told of each transfer that began. */
  readonly onTransfer?: (kind: TransferWork["kind"]) => void;
  readonly tracer?: CallTracer | undefined;
}

/** Trajectories alive at once, streams or not. */
const TRAJECTORIES_MAX = 100_000;
const DEFAULT_POOL = "default";

export class TrajectoryDirectory implements Directory {
  readonly counters: CallCounters = { bytes: 0, outputBytes: 0, queued: 0, total: 0, errors: 0 };
  readonly #accounts: Accounts;
  #closing = false;
  #transfers = 0;

  constructor(private readonly options: DirectoryOptions) {
    this.#accounts = new Accounts(options.clock, options.allowanceOf ?? (() => UNLIMITED));
  }

  /** Trajectories alive. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Of the outcomes that all of them keep. */
  get ledgerBytes(): number {
    let sum = 0;
    for (const { ledgerBytes } of this.#accounts.all()) sum += ledgerBytes;
    return sum;
  }

  /** Transfers under way. */
  get transfers(): number {
    return this.#transfers;
  }

  open(principal: Principal, request: OpenRequest, sink: EventSink): Attachment {
    const { pool, resumed, trajectory } = this.#find(principal, request, request.requireResume, (account, known) =>
      account.requireStream(known),
    );
    const { identity } = trajectory;
    if (identity.pool !== pool || identity.group !== request.group || !sameEnv(identity.env, request.env)) {
      throw mismatch(request.trajectoryId);
    }
    const leaseS = Math.min(request.leaseS ?? this.options.leaseDefaultS, this.options.leaseMaxS);
    const attachment = trajectory.attach(sink, resumed, leaseS, request.outputPositions);
    if (request.acquireSlot) trajectory.acquireSlot();
    return attachment;
  }

  async execute(principal: Principal, request: ExecuteRequest): Promise<Outcome> {
    const { trajectory } = this.#find(principal, { ...request, env: {} }, false, (account, known) => {
      // One that lives counts by itself, as it knows which calls are new.
      if (!known) account.requireCall();
    });
    const { pool, group } = trajectory.identity;
    // A caller without a stream may leave both out once the trajectory exists.
    if ((request.pool && request.pool !== pool) || (request.group && request.group !== group)) {
      throw mismatch(request.trajectoryId);
    }
    return trajectory.execute(request.call);
  }

  transfer(principal: Principal, { trajectoryId, resumeToken }: TrajectoryKey, request: TransferRequest): Transfer {
    this.#checkOpen();
    const transfer = this.#named(principal, trajectoryId, resumeToken).transfer(request);
    this.options.onTransfer?.(request.work.kind);
    this.#transfers += 1;
    void transfer.over.then(() => {
      this.#transfers -= 1;
    });
    return transfer;
  }

  async release(
    principal: Principal,
    { target, resumeToken, resetWorkspace }: ReleaseRequest,
  ): Promise<{ released: number; wiped: boolean }> {
    const members =
      "group" in target
        ? this.#ofGroup(principal, target.group, resumeToken)
        : [this.#named(principal, target.trajectoryId, resumeToken)];
    const wiped = await Promise.all(members.map((trajectory) => trajectory.release(resetWorkspace)));
    return { released: members.length, wiped: wiped.every(Boolean) && members.length > 0 };
  }

  list(principal: Principal, max: number): { total: number; shown: TrajectoryOverview[] } {
    const trajectories = this.#accounts.trajectoriesOf(principal);
    const shown = mostActive(trajectories.values(), max).map((trajectory) => trajectory.overview());
    return { total: trajectories.size, shown };
  }

  /** Goes on with a trajectory that an earlier server had. False: there is one of that name. */
  restore(pool: string, { binding, calls }: AdoptedLease, slot: HeldSlot): boolean {
    const { principal, trajectoryId, group, env, tokenHash, leaseS, generation } = binding;
    if (this.#accounts.find(principal, trajectoryId)) return false;
    const trajectory = this.#create({ principal, trajectoryId, group, pool, env, tokenHash }, leaseS, binding);
    this.#accounts.of(principal).slots.adopt(slot);
    trajectory.restore(slot, generation, calls);
    return true;
  }

  /** Clients can come now: the leases of what was restored begin. */
  startLeases(): void {
    for (const trajectory of this.#accounts.all()) trajectory.startLease();
  }

  /** What principals may have is another by now. */
  allowancesChanged(): void {
    this.#accounts.allowancesChanged();
  }

  /**
   * Nothing new begins; running calls may go on for `graceMs`; then every trajectory ends and gives its slot back, or is
   * left to the next server when handed over.
   */
  async close(graceMs: number, handover = false): Promise<void> {
    this.#closing = true;
    const trajectories = [...this.#accounts.all()];
    const reason = "the server is shutting down";
    const goAway = { kind: "go_away", reason, reconnectAfterS: 1 } as const;
    const drained = Promise.all(
      trajectories.map((trajectory) => (handover ? trajectory.handOver(goAway) : trajectory.drain(goAway))),
    );
    await waitAtMost(graceMs, drained, this.options.clock);
    const error = new SwitchyardError("SHUTTING_DOWN", reason);
    if (handover) for (const trajectory of trajectories) trajectory.leave(error);
    else await Promise.all(trajectories.map((trajectory) => trajectory.shutDown(error)));
  }

  /** `check` may refuse what is found, or, where there is nothing, what would be made. */
  #find(
    principal: Principal,
    request: Pick<OpenRequest, "trajectoryId" | "resumeToken" | "group" | "pool" | "env">,
    requireResume: boolean,
    check: (account: Account, known: Trajectory | undefined) => void,
  ): { pool: string; resumed: boolean; trajectory: Trajectory } {
    this.#checkOpen();
    const pool = request.pool || DEFAULT_POOL;
    const account = this.#accounts.of(principal);
    const known = account.trajectories.get(request.trajectoryId);
    if (known) {
      checkToken(known, request.resumeToken);
      check(account, known);
      return { pool, resumed: true, trajectory: known };
    }
    if (requireResume) throw unknown(request.trajectoryId);
    check(account, undefined);
    const { trajectoryId, group, env } = request;
    const identity = { principal, trajectoryId, group, pool, env, tokenHash: hash(request.resumeToken) };
    return { pool, resumed: false, trajectory: this.#create(identity, this.options.leaseDefaultS) };
  }

  #checkOpen(): void {
    if (this.#closing) throw new SwitchyardError("SHUTTING_DOWN", "the server is shutting down; try another or later");
  }

  #create(identity: TrajectoryIdentity, leaseS: number, life?: AdoptedLease["binding"]): Trajectory {
    const { principal, pool } = identity;
    const { clock, pools, catalogue, submit, follow, ledger, callBytes, queueTimeoutS, lifetimeS } = this.options;
    const source = pools.get(pool);
    if (!source) {
      const names = [...pools.keys()].join(", ");
      throw new SwitchyardError("UNKNOWN_POOL", `no pool is named ${pool}; there are: ${names}`);
    }
    if (this.#accounts.size >= TRAJECTORIES_MAX) {
      throw new SwitchyardError("LIMIT_REACHED", `the server has ${TRAJECTORIES_MAX} trajectories; release some`);
    }
    const account = this.#accounts.of(principal);
    const around = {
      clock,
      slots: account.slots.of(source.slots),
      submit,
      follow,
      plan: (call: Call) => catalogue.plan(call, source.timeoutDefaultS),
      ledger,
      callBytes,
      queueTimeoutS,
      takeCall: () => account.takeCall(),
      lifetimeS,
      counters: this.counters,
      onFinished: this.options.onFinished,
      onEnded: () => this.#accounts.forget(trajectory),
      tracer: this.options.tracer,
    };
    const trajectory: Trajectory = new Trajectory(identity, leaseS, around, life);
    this.#accounts.add(account, trajectory);
    return trajectory;
  }

  #named(principal: Principal, trajectoryId: string, token: string): Trajectory {
    const trajectory = this.#accounts.find(principal, trajectoryId);
    if (!trajectory) throw unknown(trajectoryId);
    checkToken(trajectory, token);
    return trajectory;
  }

  /** Those of a group that the token owns; another's stay as they are. */
  #ofGroup(principal: Principal, group: string, token: string): Trajectory[] {
    const right = hash(token);
    return [...this.#accounts.trajectoriesOf(principal).values()].filter(
      ({ identity }) => identity.group === group && timingSafeEqual(identity.tokenHash, right),
    );
  }
}

function hash(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function checkToken({ identity }: Trajectory, token: string): void {
  if (timingSafeEqual(identity.tokenHash, hash(token))) return;
  throw new SwitchyardError("WRONG_TOKEN", `trajectory ${identity.trajectoryId} belongs to another resume_token`);
}

function unknown(trajectoryId: string): SwitchyardError {
  return new SwitchyardError(
    "TRAJECTORY_UNKNOWN",
    `there is no trajectory ${trajectoryId}; it was never opened, or has ended`,
  );
}

function mismatch(trajectoryId: string): SwitchyardError {
  const why = `trajectory ${trajectoryId} was opened with another pool, group or env; repeat them as they were`;
  return new SwitchyardError("TRAJECTORY_MISMATCH", why);
}

function sameEnv(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
