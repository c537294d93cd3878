// One run: starts the client processes, lets them begin together, follows every second, and gathers what they saw. Invariant:
// it ends in bounded time, whatever the clients and the server do, and leaves no process behind.
import { randomBytes } from "node:crypto";
import { messageOf } from "../core/errors.js";
import { ClientProcess, type HealthSecond } from "./client-process.js";
import { Latencies } from "./histogram.js";
import type { ClientSecond } from "./messages.js";
import type { LoadPlan } from "./plan.js";
import { ProcessWatch } from "./process-watch.js";
import { type Row, rowOf, type Surroundings } from "./row.js";
import { addErrors, countError, type ErrorCounts } from "./run-error.js";
import { type ServerFacts, type ServerSample, ServerWatch } from "./server-watch.js";
import type { FinalTally } from "./tally.js";
import { Timeline } from "./timeline.js";

export interface RunOptions {
  /** Watched in /proc when it is given. */
  readonly serverPid?: number | undefined;
  /** Aborted: the run ends early, and what it has seen counts. */
  readonly signal: AbortSignal;
  readonly onRow: (row: Row) => void;
  /** Once a second, until all trajectories can make calls. */
  readonly onOpening?: (up: number) => void;
}

export interface Gathered {
  readonly beganUnixMs: number;
  readonly finals: readonly FinalTally[];
  readonly rows: readonly Row[];
  /** By client process. */
  readonly health: readonly (readonly HealthSecond[])[];
  readonly errors: ErrorCounts;
  readonly server: ServerFacts | undefined;
  readonly interrupted: boolean;
  /** How long the stages went on. */
  readonly elapsedMs: number;
}

/** From the word to begin until they do. */
const BEGIN_AFTER_MS = 300;
/** Beyond what a client process grants itself. */
const PATIENCE_MS = 20_000;
const INTERRUPTED_DRAIN_MS = 2_000;
const END_MS_MAX = 15_000;
/** Of a second that was not looked at. */
const NOTHING: Surroundings = { server: undefined, before: undefined, processes: undefined };

/** Rejects when the run cannot begin. */
export async function runLoad(plan: LoadPlan, options: RunOptions): Promise<Gathered> {
  const run = new CoordinatedRun(plan, options);
  try {
    return await run.run();
  } finally {
    await run.end();
  }
}

class CoordinatedRun {
  readonly #plan: LoadPlan;
  readonly #options: RunOptions;
  readonly #timeline: Timeline;
  readonly #server: ServerWatch;
  readonly #processes: ProcessWatch | undefined;
  readonly #clients: ClientProcess[] = [];
  readonly #rows: Row[] = [];
  /** Of seconds whose row is not made yet. */
  readonly #seconds = new Map<number, ClientSecond[]>();
  readonly #surroundings = new Map<number, Surroundings>();
  readonly #looks = new Set<Promise<void>>();
  #lastServer: ServerSample | undefined;

  constructor(plan: LoadPlan, options: RunOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#timeline = new Timeline(plan.stages);
    this.#server = new ServerWatch(plan.target);
    this.#processes = options.serverPid === undefined ? undefined : new ProcessWatch(options.serverPid, !plan.lenient);
  }

  async run(): Promise<Gathered> {
    const { signal } = this.#options;
    // Also so that the connection is there when the run begins.
    [this.#lastServer] = await Promise.all([this.#server.sample(), this.#start()]);
    const beganUnixMs = Date.now() + BEGIN_AFTER_MS;
    for (const client of this.#clients) client.send({ kind: "begin", atUnixMs: beganUnixMs });
    this.#processes?.sample();
    const looking = this.#lookEverySecond(beganUnixMs);
    let elapsedMs = this.#timeline.totalMs;
    const stop = () => {
      elapsedMs = Math.min(elapsedMs, Math.max(0, Date.now() - beganUnixMs));
      for (const client of this.#clients) client.send({ kind: "stop", drainMs: INTERRUPTED_DRAIN_MS });
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const boundMs = BEGIN_AFTER_MS + this.#timeline.totalMs + this.#plan.drainMs + PATIENCE_MS;
    const errors: ErrorCounts = {};
    const finals = await Promise.all(this.#clients.map((client) => this.#finalOf(client, boundMs, errors)));
    looking.stop();
    await Promise.all(this.#looks);
    signal.removeEventListener("abort", stop);
    for (const second of [...this.#seconds.keys()].sort((a, b) => a - b)) this.#emit(second);
    const present = finals.flatMap((final) => final ?? []);
    for (const final of present) addErrors(errors, final.errors);
    return {
      beganUnixMs,
      finals: present,
      rows: this.#rows,
      health: this.#clients.map(({ health }) => health),
      errors,
      server: this.#server.facts,
      interrupted: signal.aborted,
      elapsedMs,
    };
  }

  async end(): Promise<void> {
    this.#server.close();
    await Promise.all(this.#clients.map((client) => client.end(END_MS_MAX)));
  }

  /** Resolves when all are ready; rejects with what the first one says that is not, or when the signal is aborted. */
  async #start(): Promise<void> {
    const { signal } = this.#options;
    const runId = randomBytes(6).toString("hex");
    const up = new Map<number, number>();
    for (let index = 0; index < this.#plan.clients; index += 1) {
      const onOpening = (ups: number) => {
        up.set(index, ups);
        // All tell in the same second: what the first says is shown with what the last one does.
        if (index === 0) this.#options.onOpening?.([...up.values()].reduce((sum, each) => sum + each, 0));
      };
      const client = new ClientProcess((second) => this.#reported(second), onOpening);
      this.#clients.push(client);
      client.send({ kind: "plan", plan: this.#plan, index, runId });
    }
    let onAbort = () => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
    try {
      await Promise.race([Promise.all(this.#clients.map(({ ready }) => ready)), aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Undefined, and an error of the run, when it dies or does not end. */
  async #finalOf(client: ClientProcess, withinMs: number, errors: ErrorCounts): Promise<FinalTally | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("a client process did not end in time")), withinMs);
    });
    try {
      return await Promise.race([client.final, overdue]);
    } catch (error) {
      countError(errors, "harness", messageOf(error));
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  #lookEverySecond(beganUnixMs: number): { stop(): void } {
    let timer: NodeJS.Timeout | undefined;
    const next = (second: number) => {
      timer = setTimeout(
        () => {
          const look = this.#look(second).finally(() => this.#looks.delete(look));
          this.#looks.add(look);
          // On a busy machine a look may take seconds: those are left out, or all later ones would be told too late.
          const due = Math.max(second + 1, Math.ceil((Date.now() - beganUnixMs) / 1000));
          for (let missed = second + 1; missed < due; missed += 1) this.#surroundings.set(missed, NOTHING);
          next(due);
        },
        beganUnixMs + second * 1000 - Date.now(),
      );
    };
    next(1);
    return { stop: () => clearTimeout(timer) };
  }

  async #look(second: number): Promise<void> {
    const processes = this.#processes?.sample();
    const before = this.#lastServer;
    const server = await this.#server.sample();
    if (server !== undefined) this.#lastServer = server;
    this.#surroundings.set(second, { server, before, processes });
    this.#emitWhole();
  }

  #reported(second: ClientSecond): void {
    const there = this.#seconds.get(second.second);
    if (there === undefined) this.#seconds.set(second.second, [second]);
    else there.push(second);
    this.#emitWhole();
  }

  /** In their order: the seconds that every client that still runs has reported, and that were looked at. */
  #emitWhole(): void {
    const running = this.#clients.filter(({ isOver }) => !isOver).length;
    for (const second of [...this.#seconds.keys()].sort((a, b) => a - b)) {
      const reports = this.#seconds.get(second)?.length ?? 0;
      if (reports < running || !this.#surroundings.has(second)) return;
      this.#emit(second);
    }
  }

  #emit(second: number): void {
    const clients = this.#seconds.get(second) ?? [];
    const surroundings = this.#surroundings.get(second);
    this.#seconds.delete(second);
    this.#surroundings.delete(second);
    const moment = this.#timeline.at((second - 0.5) * 1000);
    const row = rowOf(second, moment, clients, new Latencies(), surroundings ?? NOTHING);
    this.#rows.push(row);
    this.#options.onRow(row);
  }
}
