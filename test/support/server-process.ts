// `switchyard serve` as a process of its own, the way an operator starts it: its ready line, its signals, its exit code.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { credentials } from "@grpc/grpc-js";
import { stringify } from "yaml";
import { GetStatusRequest, type GetStatusResponse } from "../../src/gen/switchyard/v1/status.js";
import { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import type { Open } from "../../src/gen/switchyard/v1/trajectory.js";
import { newInstance, removeContainersOf } from "./docker-engine.js";
import { TrajectoryClient } from "./trajectory-client.js";

const COMMAND = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/src/cli/main.js");
const READY = /^switchyard ready on (\S+), backend (?:docker|process), (\d+) slots$/;

interface TestScope {
  after(cleanUp: () => void): void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #configFile: string;
  #stderr = "";
  readonly exited: Promise<Exit>;
  /** The ready line; rejects when the process ends without one. */
  readonly ready: Promise<{ readonly address: string; readonly slots: number }>;

  /** Starts it, on a free port if no other is given; it is killed after the test if it still runs. */
  constructor(
    test: TestScope,
    settings: object,
    {
      backend = "docker",
      env = {},
      command = COMMAND,
      listen = "127.0.0.1:0",
      within = [],
    }: {
      backend?: "docker" | "process";
      env?: NodeJS.ProcessEnv;
      command?: string;
      listen?: string;
      /** A program, with arguments, that becomes the server's command line which follows it. */
      within?: readonly string[];
    } = {},
  ) {
    const folder = mkdtempSync(join(tmpdir(), "switchyard-test-"));
    this.#configFile = join(folder, "config.yaml");
    this.configure(settings);
    const flags = ["--listen", listen, "--backend", backend, "--config", this.#configFile];
    const [program = "", ...args] = [...within, process.execPath, command, "serve", ...flags];
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    let stdout = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    const line = new Promise<RegExpExecArray | null>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (text) => {
        stdout += `${text}\n`;
        resolve(READY.exec(text));
      });
    });
    this.exited = once(child, "close").then(([code, signal]) => {
      rmSync(folder, { recursive: true });
      return { code, signal, stdout, stderr: this.#stderr };
    });
    const early = this.exited.then(() => null);
    this.ready = Promise.race([line, early]).then((match) => {
      if (match === null) throw new Error(`no ready line: ${stdout}${this.#stderr}`);
      return { address: match[1] ?? "", slots: Number(match[2]) };
    });
    this.ready.catch(() => undefined);
    test.after(() => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    });
  }

  /** What its configuration file holds from now on. */
  configure(settings: object): void {
    writeFileSync(this.#configFile, stringify(settings));
  }

  /** Sends SIGHUP, after new settings if there are any. Resolves with what it logged of it. */
  async reload(settings?: object): Promise<string> {
    if (settings !== undefined) this.configure(settings);
    const from = this.#stderr.length;
    this.#child.kill("SIGHUP");
    await this.logged(/"msg":"configuration (not )?reloaded/, from);
    return this.#stderr.slice(from);
  }

  /** Resolves with the first line of its log from this place on that matches, once it is there. */
  async logged(pattern: RegExp, from = 0): Promise<string> {
    for (;;) {
      const line = this.#stderr
        .slice(from)
        .split("\n")
        .slice(0, -1)
        .find((text) => pattern.test(text));
      if (line !== undefined) return line;
      if (this.#child.stderr === null) throw new Error("it has no log");
      await once(this.#child.stderr, "data");
    }
  }

  /** All that it has logged. */
  get stderr(): string {
    return this.#stderr;
  }

  kill(signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(signal);
    return this.exited;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** A connection of its own; closed after the test. */
  async connect(test: TestScope): Promise<ToolExecutorServiceClient> {
    const client = new ToolExecutorServiceClient((await this.ready).address, credentials.createInsecure());
    test.after(() => client.close());
    return client;
  }

  /** A stream over a connection of its own. */
  async open(test: TestScope, open: Partial<Open> & { trajectoryId: string }): Promise<TrajectoryClient> {
    return TrajectoryClient.open(await this.connect(test), open);
  }

  async status(test: TestScope): Promise<GetStatusResponse> {
    const client = await this.connect(test);
    return new Promise((resolve, reject) => {
      client.getStatus(GetStatusRequest.fromPartial({}), (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  }
}

/** Of an instance of the test's own, for servers that follow each other; what the last one leaves is removed. */
export function instanceSettings(
  test: { after(cleanUp: () => Promise<void>): void },
  pool: object = {},
  settings: object = {},
) {
  const instance = newInstance();
  test.after(() => removeContainersOf(instance));
  return { instance, pools: { default: { slots_per_container: 4, max_containers: 1, ...pool } }, ...settings };
}
