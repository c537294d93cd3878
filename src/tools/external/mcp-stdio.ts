// An MCP server as a child process: JSON lines over its stdin and stdout. Its environment is minimal and what the
// configuration adds; it is a process group of its own, so that a terminal's Ctrl-C leaves it to us and a wrapper such as
// npx does not outlive its end. Invariant: after `close` resolved no process of the group that it was started with is left.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { getDefaultEnvironment } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ReadBuffer, serializeMessage } from "@modelcontextprotocol/sdk/shared/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { ExternalError } from "./external-outcome.js";

export interface StdioOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly messageBytesMax: number;
  /** What it writes to stderr, as it comes. */
  onStderr(text: string): void;
}

/** Of messages that it has not read yet; a call of which the time is over leaves its own behind. */
const INPUT_BYTES_MAX = 64 * 1024 * 1024;
/** What it gets to end by itself when its stdin ends, and again after SIGTERM. */
const END_MS = 1_000;
/** How long the last that it wrote may take to be read after its end. */
const LAST_WORDS_MS = 500;

/** Process groups to be killed if we end before we could close them. */
const groups = new Set<number>();
process.once("exit", () => {
  for (const pid of groups) killGroup(pid, "SIGKILL");
});

export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport["onmessage"];
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  readonly #buffer: ReadBuffer;
  /** Nothing is taken any more: it has ended, or what follows is part of a message that was too large. */
  #isBroken = false;
  /** Its number may be another's by now. */
  #isOver = false;

  constructor(private readonly options: StdioOptions) {
    this.#buffer = new ReadBuffer({ maxBufferSize: options.messageBytesMax });
  }

  async start(): Promise<void> {
    const { command, args, env, onStderr } = this.options;
    const child = spawn(command, args, {
      env: { ...getDefaultEnvironment(), ...env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("close", resolve);
      child.once("error", resolve);
      // What it has left behind may hold its output open for ever.
      child.once("exit", () => setTimeout(resolve, LAST_WORDS_MS));
    });
    void this.#ended.then(() => this.#over());
    for (const stream of [child.stdin, child.stdout, child.stderr]) {
      stream.on("error", (error: Error) => this.onerror?.(error));
    }
    child.stderr.setEncoding("utf8").on("data", onStderr);
    child.stdout.on("data", (chunk: Buffer) => {
      if (!this.#isBroken) this.#take(chunk);
    });
    if (child.pid !== undefined) groups.add(child.pid);
    await once(child, "spawn");
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin;
    if (!stdin?.writable) throw new ExternalError("its process has ended");
    if (stdin.writableLength > INPUT_BYTES_MAX) throw new ExternalError("it does not read what it is sent");
    stdin.write(serializeMessage(message));
  }

  async close(): Promise<void> {
    this.#child?.stdin?.end();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (await this.#endsWithin(END_MS)) break;
      this.#kill(signal);
    }
    await this.#endsWithin(END_MS);
    this.#over();
  }

  #take(chunk: Buffer): void {
    try {
      this.#buffer.append(chunk);
    } catch {
      this.#isBroken = true;
      this.onerror?.(new ExternalError(`it sent a message of more than ${this.options.messageBytesMax} bytes`));
      void this.close();
      return;
    }
    for (let more = true; more; ) {
      try {
        const message = this.#buffer.readMessage();
        more = message !== null;
        if (message) this.onmessage?.(message);
      } catch {
        this.onerror?.(new ExternalError("it sent a line that is no message"));
      }
    }
  }

  /** Once: with the process goes what it has left behind in its group. */
  #over(): void {
    if (this.#isOver) return;
    this.#kill("SIGKILL");
    this.#isOver = true;
    this.#isBroken = true;
    for (const stream of [this.#child?.stdin, this.#child?.stdout, this.#child?.stderr]) stream?.destroy();
    if (this.#child?.pid !== undefined) groups.delete(this.#child.pid);
    this.#buffer.clear();
    this.onclose?.();
  }

  async #endsWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, ms, false);
    });
    const ended = await Promise.race([this.#ended.then(() => true), late]);
    clearTimeout(timer);
    return ended;
  }

  #kill(signal: NodeJS.Signals): void {
    if (this.#child?.pid !== undefined && !this.#isOver) killGroup(this.#child.pid, signal);
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is left in the group.
  }
}
