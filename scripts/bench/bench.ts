// What the rows of `npm run bench` measure with: servers, loads from processes of their own, and whose turn it is.
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { SwitchyardClient } from "../../src/client/index.js";
import type { Report } from "../../src/load/report.js";
import { Server } from "../server.js";
import { Baton } from "./baton.js";
import type { Bench } from "./row.js";

const COMMAND = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/src/cli/main.js");
/** The pool of most rows: 64 slots that are always there. */
const POOL = { slots_per_container: 32, min_containers: 2, max_containers: 2, isolation: "namespace", pids: 16_384 };
/** Until V8 has compiled what every call runs through, in the server, its runners and its client. */
const WARM_UP = ["--streams", "64", "--duration", "1s", "--warm-up", "9s"];
const RUN_MAX_MS = 300_000;
const WIPE_MAX_MS = 120_000;
const POLL_MS = 20;

export interface BenchSettings {
  readonly rounds: number;
  readonly seconds: number;
  readonly folder: string;
  readonly signal: AbortSignal;
}

export class DockerBench implements Bench {
  readonly rounds: number;
  readonly seconds: number;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly #baton = new Baton();
  #server: Promise<Server> | undefined;
  readonly #addresses = new Set<string>();
  #files = 0;
  #tenthsSaid = 0;

  constructor({ rounds, seconds, folder, signal }: BenchSettings) {
    this.rounds = rounds;
    this.seconds = seconds;
    this.folder = folder;
    this.signal = signal;
  }

  get duration(): readonly string[] {
    return ["--duration", `${this.seconds}s`];
  }

  server(): Promise<Server> {
    this.#server ??= this.#warm();
    return this.#server;
  }

  async startServer(settings: object): Promise<Server> {
    const file = this.#file("yaml");
    writeFileSync(file, stringify({ pools: { default: POOL }, ...settings }));
    const server = await Server.start("docker", this.signal, ["--config", file]);
    this.#addresses.add(server.address);
    return server;
  }

  async load({ address, pid }: Pick<Server, "address" | "pid">, flags: readonly string[]): Promise<Report> {
    const isOwn = this.#addresses.has(address);
    const heldBefore = isOwn ? await slotsHeld(address) : 0;
    const json = this.#file("json");
    const target = ["--server", address, "--server-pid", String(pid)];
    const args = [COMMAND, "bench", ...target, "--json", json, ...flags];
    try {
      await promisify(execFile)(process.execPath, args, { timeout: RUN_MAX_MS, signal: this.signal });
    } catch (error) {
      this.signal.throwIfAborted();
      throw new Error(`switchyard bench ${flags.join(" ")}: ${whyFailed(error)}`, { cause: error });
    }
    if (isOwn) await this.#slotsClean(address, heldBefore);
    const report = JSON.parse(readFileSync(json, "utf8")) as Report;
    if (report.total.latency.count > 0) return report;
    throw new Error(`no call began in the counted time: bench ${flags.join(" ")}`);
  }

  /** `work`, a row's, while no other measures but for when it gives way. */
  hold<T>(work: () => Promise<T>): Promise<T> {
    return this.#baton.hold(work);
  }

  async giveWay(share: number): Promise<void> {
    await this.#baton.giveWay(share);
    // Whose turn it is has least behind it: so far is everybody.
    const tenths = Math.floor(share * 10);
    if (tenths > this.#tenthsSaid) this.say(`${tenths * 10}% of the turns`);
    this.#tenthsSaid = Math.max(tenths, this.#tenthsSaid);
  }

  aside<T>(result: Promise<T>): Promise<T> {
    return this.#baton.aside(result);
  }

  say(text: string): void {
    process.stderr.write(`bench: ${text}\n`);
  }

  /** Ends the shared server. */
  async end(): Promise<void> {
    await (await this.#server?.catch(() => undefined))?.stop();
  }

  async #warm(): Promise<Server> {
    const server = await this.startServer({});
    await this.load(server, WARM_UP);
    return server;
  }

  /** Else the next to be measured would share the machine with the wiping of what the last one used. */
  async #slotsClean(address: string, heldBefore: number): Promise<void> {
    const overdueMs = performance.now() + WIPE_MAX_MS;
    while ((await slotsHeld(address)) > heldBefore) {
      if (performance.now() > overdueMs) throw new Error(`slots are still not clean after ${WIPE_MAX_MS / 1000} s`);
      await sleep(POLL_MS, undefined, { signal: this.signal });
    }
  }

  #file(kind: string): string {
    this.#files += 1;
    return join(this.folder, `${this.#files}.${kind}`);
  }
}

/** Those that a trajectory has, and those that are being made or wiped. */
async function slotsHeld(address: string): Promise<number> {
  const client = new SwitchyardClient(address);
  try {
    const { pools } = await client.status();
    return pools.reduce((sum, { slotsReady, slotsTotal }) => sum + slotsTotal - slotsReady, 0);
  } finally {
    client.close();
  }
}

/** What the run says of itself: its errors, else its last word. */
function whyFailed(error: unknown): string {
  const [stdout, stderr] = [said(error, "stdout"), said(error, "stderr")];
  const errors = stdout.indexOf("ERRORS\n");
  return errors < 0 ? (stderr.trim().split("\n").at(-1) ?? "") : stdout.slice(errors).trim();
}

function said(error: unknown, where: "stdout" | "stderr"): string {
  const text: unknown = typeof error === "object" && error !== null ? Reflect.get(error, where) : undefined;
  return typeof text === "string" ? text : "";
}
