// A client process as the coordinator sees it. Invariant: `ready` and `final` each settle, also when the process dies; and it does
// not outlive `end`.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { SwitchyardError } from "../core/errors.js";
import type { ClientSecond, FromClient, ToClient } from "./messages.js";
import type { SelfSecond } from "./self-watch.js";
import type { FinalTally } from "./tally.js";

const PROGRAM = fileURLToPath(new URL("./client-main.js", import.meta.url));

export interface HealthSecond extends SelfSecond {
  readonly second: number;
}

export class ClientProcess {
  readonly #child: ChildProcess;
  readonly #health: HealthSecond[] = [];
  #isOver = false;
  /** It can make calls. */
  readonly ready: Promise<void>;
  /** What it has seen, when the run is over. */
  readonly final: Promise<FinalTally>;

  /** `onOpening` is told how many of its trajectories can make calls. */
  constructor(onSecond: (second: ClientSecond) => void, onOpening: (up: number) => void) {
    const child = fork(PROGRAM, { serialization: "advanced", execArgv: ["--enable-source-maps"] });
    this.#child = child;
    const failed = new Promise<never>((_, reject) => {
      const fail = (message: string) => reject(new SwitchyardError("BACKEND_UNAVAILABLE", message));
      child.on("message", (message: FromClient) => {
        if (message.kind === "failed") fail(message.message);
      });
      child.on("error", (error) => fail(`a client process: ${error.message}`));
      child.on("exit", (code, signal) => fail(`a client process ended early (${signal ?? `exit ${code}`})`));
    });
    const ready = new Promise<void>((resolve) => {
      child.on("message", (message: FromClient) => {
        if (message.kind === "ready") resolve();
        else if (message.kind === "opening") onOpening(message.up);
      });
    });
    const final = new Promise<FinalTally>((resolve) => {
      child.on("message", (message: FromClient) => {
        if (message.kind !== "final") return;
        this.#isOver = true;
        resolve(message.final);
      });
    });
    child.on("message", (message: FromClient) => {
      if (message.kind !== "second") return;
      const { second, utilisation, lagMaxMs, cpu, rssBytes } = message.second;
      this.#health.push({ second, utilisation, lagMaxMs, cpu, rssBytes });
      onSecond(message.second);
    });
    this.ready = Promise.race([ready, failed]);
    this.final = Promise.race([final, failed]);
    // Whoever awaits them hears of it; nobody may be there yet.
    this.ready.catch(() => {});
    this.final.catch(() => {});
  }

  /** Whether it has said its last word. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get health(): readonly HealthSecond[] {
    return this.#health;
  }

  send(message: ToClient): void {
    // Who is gone is heard of by its exit.
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Gives what it has back and goes; resolves when it is gone, after `withinMs` by force. */
  async end(withinMs: number): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    if (this.#isOver) child.disconnect();
    else this.send({ kind: "stop", drainMs: 0 });
    const timer = setTimeout(() => child.kill("SIGKILL"), withinMs);
    await exited;
    clearTimeout(timer);
  }
}
