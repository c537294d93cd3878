// One agent of an idle system, in this process: it makes one call after the other, with the harness's own frames, so that turns of a
// second can follow each other without a new process and what that has to compile.
import { randomUUID } from "node:crypto";
import { type Client, Metadata } from "@grpc/grpc-js";
import { JobBook } from "../../src/load/calls.js";
import { connect } from "../../src/load/connection.js";
import { parseMix } from "../../src/load/mix.js";
import { Random } from "../../src/load/random.js";
import type { Mismatch } from "../../src/load/run-error.js";
import { LoadTrajectory, type Sent, type TrajectoryListener } from "../../src/load/trajectory.js";
import type { Result } from "../../src/load/wire.js";
import { median } from "./figures.js";
import type { Bench } from "./row.js";

/**
 * Until V8 has compiled what a call runs through in its client. That takes thousands of calls, of which an idle system makes
 * hundreds a second: after one second the client's part of a call is twice what it is after eight.
 */
const WARM_UP_S = 8;

/** Milliseconds, p50. */
export interface CallTimes {
  readonly latency: number;
  /** In the slot, as the server says. */
  readonly exec: number;
}

interface Call {
  readonly item: number;
  readonly latencyMs: number;
  readonly execMs: number;
}

interface Settled<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

export class LoneAgent implements TrajectoryListener {
  readonly #client: Client;
  readonly #items: number;
  readonly #jobs: JobBook;
  readonly #random = new Random(1);
  readonly #trajectory: LoadTrajectory;
  /** Who waits for it to be ready or released, and for a call's end. */
  #turning: Settled<void> | undefined;
  #call: Settled<Call> | undefined;
  /** The first; nothing is measured after it. */
  #failure: Error | undefined;

  private constructor(address: string, mix: string, signal: AbortSignal) {
    const items = parseMix(mix);
    this.#client = connect({ address, tls: false, tokenFromEnv: false });
    this.#items = items.length;
    this.#jobs = new JobBook({ mix: items, failureRate: 0, cancelRate: 0, streamOutput: false, lenient: false });
    const { preparation } = this.#jobs;
    const names = { newId: () => randomUUID(), pool: "", group: "bench" };
    const options = { client: this.#client, metadata: new Metadata(), preparation, cancelAfterMs: 0, ackEvery: 1 };
    this.#trajectory = new LoadTrajectory(0, { ...options, ...names }, this);
    signal.addEventListener("abort", () => this.onError("", "stopped"));
  }

  /** Of the shared server, warmed up. `mix` as `switchyard bench --mix` has it. */
  static async start(bench: Bench, mix: string): Promise<LoneAgent> {
    const agent = new LoneAgent((await bench.server()).address, mix, bench.signal);
    try {
      await agent.times(WARM_UP_S);
      return agent;
    } catch (error) {
      agent.stop();
      throw error;
    }
  }

  /**
   * Of each item of the mix, calls made for so long, by a trajectory that lives for them and whose slot is wiped then. Throws when
   * one has not the right result.
   */
  async times(seconds: number): Promise<readonly CallTimes[]> {
    await this.#turned(() => this.#trajectory.open());
    const calls: Call[] = [];
    const endMs = performance.now() + seconds * 1_000;
    while (performance.now() < endMs) calls.push(await this.#next());
    await this.#turned(() => this.#trajectory.release());
    return Array.from({ length: this.#items }, (_, item) => {
      const its = calls.filter((call) => call.item === item);
      return {
        latency: median(its.map(({ latencyMs }) => latencyMs)),
        exec: median(its.map(({ execMs }) => execMs)),
      };
    });
  }

  stop(): void {
    this.#trajectory.leave();
    this.#trajectory.cut();
    this.#client.close();
  }

  onIdle(): void {
    this.#turning?.resolve();
  }

  onAnswer(_: LoadTrajectory, { job, sentMs }: Sent, { execMs }: Result, wrong: Mismatch | undefined): void {
    const latencyMs = performance.now() - sentMs;
    if (wrong !== undefined) return this.onError("", wrong.text);
    this.#call?.resolve({ item: job.item, latencyMs, execMs });
  }

  onReleased(): void {
    this.#turning?.resolve();
  }

  onGone(): void {}

  onError(_: string, text: string): void {
    this.#failure ??= new Error(`an agent of an idle system: ${text}`);
    for (const waiting of [this.#turning, this.#call]) waiting?.reject(this.#failure);
  }

  #turned(turn: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#turning = { resolve, reject };
      turn();
    });
  }

  #next(): Promise<Call> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#call = { resolve, reject };
      this.#trajectory.call(this.#jobs.draw(this.#random), performance.now());
    });
  }
}
