// All trajectories of one server: found by id, guarded by their tokens, forgotten when they end.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock, Timer } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import type { Outcome } from "../core/outcome.js";
import type { Catalogue } from "../tools/catalogue.js";
import type { Submit } from "./call-queue.js";
import type { LedgerLimits } from "./ledger.js";
import type { Attachment, Directory, EventSink, ExecuteRequest, OpenRequest, ReleaseRequest } from "./session.js";
import type { SlotSource } from "./slot-holder.js";
import { type CallCounters, Trajectory, type TrajectoryIdentity } from "./trajectory.js";

export interface DirectoryOptions {
  readonly clock: Clock;
  /** By pool name. */
  readonly pools: ReadonlyMap<string, { readonly slots: SlotSource; readonly timeoutDefaultS: number }>;
  readonly submit: Submit;
  readonly catalogue: Pick<Catalogue, "plan">;
  readonly ledger: LedgerLimits;
  readonly leaseDefaultS: number;
  readonly leaseMaxS: number;
  readonly queueTimeoutS: number;
  readonly lifetimeS: number;
}

/** Trajectories alive at once, streams or not. */
const TRAJECTORIES_MAX = 100_000;
const DEFAULT_POOL = "default";

interface Member {
  readonly trajectory: Trajectory;
  readonly tokenHash: Buffer;
}

export class TrajectoryDirectory implements Directory {
  readonly counters: CallCounters = { queued: 0, total: 0, errors: 0 };
  readonly #members = new Map<string, Member>();
  #closing = false;

  constructor(private readonly options: DirectoryOptions) {}

  open(request: OpenRequest, sink: EventSink): Attachment {
    const { pool, resumed, trajectory } = this.#find(request, request.requireResume);
    const { identity } = trajectory;
    if (identity.pool !== pool || identity.group !== request.group || !sameEnv(identity.env, request.env)) {
      throw mismatch(request.trajectoryId);
    }
    const leaseS = Math.min(request.leaseS ?? this.options.leaseDefaultS, this.options.leaseMaxS);
    const attachment = trajectory.attach(sink, resumed, leaseS);
    if (request.acquireSlot) trajectory.acquireSlot();
    return attachment;
  }

  async execute(request: ExecuteRequest): Promise<Outcome> {
    const { trajectory } = this.#find({ ...request, env: {} }, false);
    const { pool, group } = trajectory.identity;
    // A caller without a stream may leave both out once the trajectory exists.
    if ((request.pool && request.pool !== pool) || (request.group && request.group !== group)) {
      throw mismatch(request.trajectoryId);
    }
    return trajectory.execute(request.call);
  }

  async release({
    target,
    resumeToken,
    resetWorkspace,
  }: ReleaseRequest): Promise<{ released: number; wiped: boolean }> {
    const members =
      "group" in target ? this.#ofGroup(target.group, resumeToken) : [this.#named(target.trajectoryId, resumeToken)];
    const wiped = await Promise.all(members.map(({ trajectory }) => trajectory.release(resetWorkspace)));
    return { released: members.length, wiped: wiped.every(Boolean) && members.length > 0 };
  }

  /** Nothing new begins; running calls may go on for `graceMs`; then every trajectory ends and gives its slot back. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    const trajectories = [...this.#members.values()].map(({ trajectory }) => trajectory);
    const reason = "the server is shutting down";
    const goAway = { kind: "go_away", reason, reconnectAfterS: 1 } as const;
    const drained = Promise.all(trajectories.map((trajectory) => trajectory.drain(goAway)));
    let timer: Timer | undefined;
    const over = new Promise<void>((resolve) => {
      timer = this.options.clock.after(graceMs, resolve);
    });
    await Promise.race([drained, over]);
    timer?.cancel();
    const error = new SwitchyardError("SHUTTING_DOWN", reason);
    await Promise.all(trajectories.map((trajectory) => trajectory.shutDown(error)));
  }

  #find(
    request: Pick<OpenRequest, "trajectoryId" | "resumeToken" | "group" | "pool" | "env">,
    requireResume: boolean,
  ): { pool: string; resumed: boolean; trajectory: Trajectory } {
    if (this.#closing) throw new SwitchyardError("SHUTTING_DOWN", "the server is shutting down; try another or later");
    const pool = request.pool || DEFAULT_POOL;
    const known = this.#members.get(request.trajectoryId);
    if (known) {
      checkToken(known, request.resumeToken, request.trajectoryId);
      return { pool, resumed: true, trajectory: known.trajectory };
    }
    if (requireResume) throw unknown(request.trajectoryId);
    return { pool, resumed: false, trajectory: this.#create({ ...request, pool }, request.resumeToken) };
  }

  #create({ trajectoryId, group, pool, env }: TrajectoryIdentity, token: string): Trajectory {
    const { clock, pools, catalogue, submit, ledger, queueTimeoutS, lifetimeS, leaseDefaultS } = this.options;
    const source = pools.get(pool);
    if (!source) {
      const names = [...pools.keys()].join(", ");
      throw new SwitchyardError("UNKNOWN_POOL", `no pool is named ${pool}; there are: ${names}`);
    }
    if (this.#members.size >= TRAJECTORIES_MAX) {
      throw new SwitchyardError("LIMIT_REACHED", `the server has ${TRAJECTORIES_MAX} trajectories; release some`);
    }
    const trajectory = new Trajectory({ trajectoryId, group, pool, env }, leaseDefaultS, {
      clock,
      slots: source.slots,
      submit,
      plan: (call) => catalogue.plan(call, source.timeoutDefaultS),
      ledger,
      queueTimeoutS,
      lifetimeS,
      counters: this.counters,
      onEnded: () => {
        if (this.#members.get(trajectoryId)?.trajectory === trajectory) this.#members.delete(trajectoryId);
      },
    });
    this.#members.set(trajectoryId, { trajectory, tokenHash: hash(token) });
    return trajectory;
  }

  #named(trajectoryId: string, token: string): Member {
    const member = this.#members.get(trajectoryId);
    if (!member) throw unknown(trajectoryId);
    checkToken(member, token, trajectoryId);
    return member;
  }

  /** Those of a group that the token owns; another's stay as they are. */
  #ofGroup(group: string, token: string): Member[] {
    return [...this.#members.values()].filter(
      ({ trajectory, tokenHash }) => trajectory.identity.group === group && timingSafeEqual(tokenHash, hash(token)),
    );
  }
}

function hash(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function checkToken({ tokenHash }: Member, token: string, trajectoryId: string): void {
  if (timingSafeEqual(tokenHash, hash(token))) return;
  throw new SwitchyardError("WRONG_TOKEN", `trajectory ${trajectoryId} belongs to another resume_token`);
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
