// The server that a demo or a bench talks to: a `switchyard serve` of its own, on a free port, ended by SIGTERM.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BACKENDS = ["auto", "docker", "process"] as const;

export type Backend = (typeof BACKENDS)[number];

/** The value of a --backend flag; throws for another. */
export function backendOf(value: string): Backend {
  const backend = BACKENDS.find((name) => name === value);
  if (backend === undefined) throw new Error(`--backend ${value} is none of ${BACKENDS.join(", ")}`);
  return backend;
}

const COMMAND = join(dirname(dirname(fileURLToPath(import.meta.url))), "dist/src/cli/main.js");
const READY = /^switchyard ready on (\S+), backend (\S+), (\d+) slots$/;
const START_MAX_MS = 120_000;
const STOP_MAX_MS = 60_000;
const LOG_LINES_KEPT = 40;

export class Server {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #logTail: string[];

  private constructor(
    child: ChildProcess,
    closed: Promise<unknown>,
    logTail: string[],
    readonly address: string,
    readonly backend: string,
  ) {
    this.#child = child;
    this.#closed = closed;
    this.#logTail = logTail;
  }

  /**
   * Resolves when the server has printed its ready line; rejects with what it logged when it ends before. `flags` are
   * further ones of `serve`.
   */
  static start(backend: Backend, signal: AbortSignal, flags: readonly string[] = []): Promise<Server> {
    return Server.run([COMMAND, "serve", "--listen", "127.0.0.1:0", "--backend", backend, ...flags], signal);
  }

  /** The same with a program of its own, as arguments of `node`. */
  static async run(args: readonly string[], signal: AbortSignal): Promise<Server> {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const closed = once(child, "close");
    closed.catch(() => {});
    const logTail: string[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      logTail.push(line);
      if (logTail.length > LOG_LINES_KEPT) logTail.shift();
    });
    const ready = new Promise<RegExpExecArray>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const match = READY.exec(line);
        if (match !== null) resolve(match);
      });
    });
    const limit = AbortSignal.any([signal, AbortSignal.timeout(START_MAX_MS)]);
    const early = closed.then(() => {
      throw new Error(`the server ended with ${ending(child)} before it was ready:\n${logTail.join("\n")}`);
    });
    try {
      const [, address = "", name = ""] = await Promise.race([ready, early, aborted(limit)]);
      return new Server(child, closed, logTail, address, name);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The last lines that it logged. */
  get log(): string {
    return this.#logTail.join("\n");
  }

  /** SIGTERM, then its end; throws unless it exits with 0. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const overdue = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MAX_MS);
    await this.#closed;
    clearTimeout(overdue);
    if (this.#child.exitCode !== 0) {
      throw new Error(`after SIGTERM the server ended with ${ending(this.#child)}:\n${this.log}`);
    }
  }
}

function ending(child: ChildProcess): string {
  return child.signalCode ?? `exit code ${child.exitCode}`;
}

async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, "abort");
  throw signal.reason;
}
