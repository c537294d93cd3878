// What one client process does in a run: its share of the trajectories over its share of the connections, at the plan's pace. It
// is bounded in time: getting ready, the stages, the drain and the farewell each have an end.
import type { Client } from "@grpc/grpc-js";
import { SwitchyardError } from "../core/errors.js";
import { Arrivals } from "./arrivals.js";
import { type Job, JobBook } from "./calls.js";
import { ChurnPace } from "./churn-pace.js";
import { ClosedPace } from "./closed-pace.js";
import { connect, requestMetadata } from "./connection.js";
import { OpenPace } from "./open-pace.js";
import type { PaceKeeper, PaceWorld } from "./pace.js";
import type { LoadPlan } from "./plan.js";
import { Random } from "./random.js";
import type { ErrorKind, Mismatch } from "./run-error.js";
import { type FinalTally, type SecondTally, Tally } from "./tally.js";
import { shareOf, Timeline } from "./timeline.js";
import { LoadTrajectory, type Sent, type TrajectoryListener, type TrajectoryOptions } from "./trajectory.js";
import type { Result } from "./wire.js";

const ADJUST_EVERY_MS = 100;
const FAREWELL_MS = 10_000;

export interface RunSecond extends SecondTally {
  /** Trajectories that are ready for calls or have one under way. */
  readonly streams: number;
  readonly inFlight: number;
  /** Calls of an open loop that wait for their trajectory. */
  readonly waiting: number;
}

export class ClientRun implements TrajectoryListener, PaceWorld {
  readonly #plan: LoadPlan;
  readonly #index: number;
  readonly #timeline: Timeline;
  readonly #jobs: JobBook;
  readonly #random: Random;
  readonly #pace: PaceKeeper;
  readonly #tally: Tally;
  readonly #clients: readonly Client[];
  readonly #trajectories: LoadTrajectory[] = [];
  readonly #options: Omit<TrajectoryOptions, "client">;
  #beganMs: number | undefined;
  #stopNow: () => void = () => {};
  #isStopped = false;
  #isHurried = false;
  #changed: () => void = () => {};

  /** Throws CONFIG_INVALID when the target's files cannot be read. */
  constructor(plan: LoadPlan, index: number, runId: string) {
    this.#plan = plan;
    this.#index = index;
    this.#timeline = new Timeline(plan.stages);
    this.#jobs = new JobBook(plan);
    this.#random = new Random(plan.seed).fork(index);
    this.#tally = new Tally(plan.stages.length, plan.mix.length, plan.pace === "churn", (atMs) => {
      return this.#beganMs === undefined ? undefined : this.#timeline.at(atMs - this.#beganMs);
    });
    this.#pace = this.#paceOf(plan);
    const connections = Math.max(1, shareOf(plan.connections, index, plan.clients));
    this.#clients = Array.from({ length: connections }, () => connect(plan.target));
    const { pool, group, cancelAfterMs, ackEvery } = plan;
    let opened = 0;
    this.#options = {
      metadata: requestMetadata(plan.target),
      newId: () => {
        opened += 1;
        return `bench-${runId}-${index}-${opened}`;
      },
      preparation: plan.pace === "churn" ? [] : this.#jobs.preparation,
      ...{ pool, group, cancelAfterMs, ackEvery },
    };
  }

  #paceOf({ pace, think, clients }: LoadPlan): PaceKeeper {
    if (pace === "closed") return new ClosedPace(this, think, this.#random.fork(1));
    if (pace === "churn") return new ChurnPace(this, (beganMs) => this.#tally.cycled(beganMs));
    const arrivals = new Arrivals(this.#timeline, 1 / clients, this.#random.fork(2));
    const onLag = (intendedMs: number, lagMs: number) => this.#tally.lagged(intendedMs, lagMs);
    return new OpenPace(this, arrivals, this.#random.fork(3), onLag);
  }

  /** Resolves when the trajectories of the first stage can make calls. */
  async ready(): Promise<void> {
    if (this.#plan.pace === "churn") {
      for (let index = 0; index < this.#wanted(0); index += 1) this.#trajectories.push(this.#newTrajectory(index));
      return;
    }
    this.#adjust(0);
    await this.#until(() => this.#trajectories.every(({ isUp }) => isUp), this.#plan.openWithinMs);
    const { up } = this;
    if (up === this.#trajectories.length) return;
    const { errors } = this.#tally.final();
    const said = Object.values(errors).flatMap(({ samples }) => samples)[0] ?? "has the server so many slots?";
    const message = `${up} of ${this.#trajectories.length} trajectories were ready in ${this.#plan.openWithinMs / 1000} s: ${said}`;
    throw new SwitchyardError("BACKEND_UNAVAILABLE", message);
  }

  /** Trajectories that are ready for calls or have one under way. */
  get up(): number {
    return this.#trajectories.filter(({ isUp }) => isUp).length;
  }

  /** Once, after `ready`: the stages, the drain, the farewell. */
  async run(): Promise<FinalTally> {
    this.#beganMs = this.now();
    this.#pace.begin(this.#trajectories);
    const ticker = setInterval(() => this.#adjust(this.now() - (this.#beganMs ?? 0)), ADJUST_EVERY_MS);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#timeline.totalMs);
      this.#stopNow = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#isStopped) this.#stopNow();
    });
    clearInterval(ticker);
    this.#pace.stop();
    await this.#until(() => this.#isHurried || this.#isDrained(), this.#plan.drainMs);
    await this.close();
    return this.#tally.final();
  }

  /** Ends the stages now; what is under way gets this long, and is then no error. */
  stop(drainMs: number): void {
    setTimeout(() => {
      this.#isHurried = true;
      this.#changed();
    }, drainMs);
    this.#isStopped = true;
    this.#stopNow();
  }

  /** Accounts for what never came, gives every slot back, and closes the connections. `run` does so by itself. */
  async close(): Promise<void> {
    const nowMs = this.now();
    for (const intendedMs of this.#pace.waiting()) this.#tally.unsent(intendedMs, nowMs);
    for (const trajectory of this.#trajectories) {
      if (trajectory.state === "leaving" || trajectory.state === "gone") continue;
      const sent = trajectory.leave();
      if (sent !== undefined) this.#tally.unanswered(sent, this.#isHurried);
    }
    await this.#until(() => this.#trajectories.every(({ state }) => state === "gone"), FAREWELL_MS);
    for (const trajectory of this.#trajectories) trajectory.cut();
    for (const client of this.#clients) client.close();
  }

  second(): RunSecond {
    return {
      ...this.#tally.takeSecond(),
      streams: this.up,
      inFlight: this.#trajectories.filter(({ state }) => state === "busy").length,
      waiting: this.#pace.waiting().length,
    };
  }

  now(): number {
    return performance.now();
  }

  draw(): Job {
    return this.#jobs.draw(this.#random);
  }

  isWanted({ index }: LoadTrajectory): boolean {
    return index < this.#wanted(this.now() - (this.#beganMs ?? this.now()));
  }

  giveUp(why: string): void {
    this.#tally.error("overload", why);
    this.stop(0);
  }

  onIdle(trajectory: LoadTrajectory): void {
    this.#pace.onIdle(trajectory);
    this.#changed();
  }

  onAnswer(_: LoadTrajectory, sent: Sent, result: Result, wrong: Mismatch | undefined): void {
    this.#tally.answered(sent, result, wrong);
  }

  onReleased(trajectory: LoadTrajectory): void {
    this.#pace.onReleased(trajectory);
    this.#changed();
  }

  onGone(): void {
    this.#changed();
  }

  onError(kind: ErrorKind, text: string): void {
    this.#tally.error(kind, text);
  }

  /** Trajectories that the level at this time asks of this process. */
  #wanted(ms: number): number {
    const { pace, streams, clients } = this.#plan;
    const level = pace === "open" ? streams : Math.round(this.#timeline.at(ms)?.level ?? 0);
    return shareOf(level, this.#index, clients);
  }

  /** Opens what the level asks for; those that it asks for no more leave when they are idle. */
  #adjust(ms: number): void {
    const wanted = this.#wanted(ms);
    for (let index = 0; index < wanted; index += 1) {
      const there = this.#trajectories[index];
      if (there !== undefined && there.state !== "gone") continue;
      const trajectory = this.#newTrajectory(index);
      this.#trajectories[index] = trajectory;
      trajectory.open();
    }
  }

  #newTrajectory(index: number): LoadTrajectory {
    const client = this.#clients[index % this.#clients.length];
    if (client === undefined) throw new Error("there is at least one connection");
    return new LoadTrajectory(index, { ...this.#options, client }, this);
  }

  #isDrained(): boolean {
    const isWorking = ({ state }: LoadTrajectory) => state === "busy" || state === "releasing";
    return !this.#trajectories.some(isWorking) && this.#pace.waiting().length === 0;
  }

  /** Resolves when it holds, looking whenever a trajectory changed, or when the time is over. */
  #until(holds: () => boolean, withinMs: number): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#changed = () => {};
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      this.#changed = () => {
        if (holds()) done();
      };
    });
  }
}
