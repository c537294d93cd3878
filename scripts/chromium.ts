// A page in a headless Chromium, driven by its own protocol over two pipes: what it logs, what it asks for, and how it looks.
// Invariant: the browser ends with `close`, and takes its profile with it.
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { needPrograms } from "./need-programs.js";

export interface LoadedPage {
  /** What its console has, exceptions and the browser's own complaints included. */
  readonly logged: readonly string[];
  /** What it asked for beside itself and what is written into it. */
  readonly requested: readonly string[];
}

export interface PageSize {
  readonly width: number;
  /** Undefined: the whole page. */
  readonly height?: number;
}

type Message = { readonly [key: string]: unknown };

const [IN_FD, OUT_FD] = [3, 4];
/** The browser asks nobody for anything of its own. */
const FLAGS = [
  ...["--headless", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run", "--disable-extensions"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"],
  ...["--host-resolver-rules=MAP * ~NOTFOUND", "--force-color-profile=srgb"],
];
const ANSWER_MS_MAX = 60_000;

/** Throws with what to install when there is no Chromium. */
export function needChromium(): void {
  needPrograms({ chromium: "chromium" });
}

export class Chromium {
  readonly #child: ChildProcess;
  readonly #profile = mkdtempSync(join(tmpdir(), "switchyard-chromium-"));
  readonly #input: Writable;
  readonly #answers = new Map<number, { resolve(result: Message): void; reject(error: Error): void }>();
  readonly #events = new EventEmitter<{ load: []; error: [Error] }>().on("error", () => undefined);
  readonly #logged: string[] = [];
  readonly #requested: string[] = [];
  #session: string | undefined;
  #sent = 0;
  #heard = "";

  constructor() {
    needChromium();
    // Its own sandbox refuses to be entered by root.
    const flags = [...FLAGS, `--user-data-dir=${this.#profile}`, ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])];
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"] as const;
    // A group of its own, as its children write into the profile too.
    this.#child = spawn("chromium", flags, { stdio: [...stdio], detached: true });
    const [input, output] = [this.#child.stdio[IN_FD], this.#child.stdio[OUT_FD]];
    if (!(input instanceof Writable && output instanceof Readable)) throw new Error("no pipes to chromium");
    this.#input = input.on("error", () => undefined);
    output.setEncoding("utf8").on("data", (text: string) => this.#hear(text));
    this.#child.once("exit", (code, signal) =>
      this.#fail(new Error(`chromium ended with ${signal ?? `exit code ${code}`}`)),
    );
    this.#child.once("error", (error) => this.#fail(error));
  }

  /** Resolves when the page and all that it needs are there; once. */
  async load(url: string): Promise<LoadedPage> {
    const { targetId } = await this.#ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#ask("Target.attachToTarget", { targetId, flatten: true });
    this.#session = String(sessionId);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.#ask(`${domain}.enable`, {});
    const loaded = once(this.#events, "load");
    await Promise.all([loaded, this.#ask("Page.navigate", { url })]);
    // Answered only when what the page does while it loads is done.
    await this.#ask("Runtime.evaluate", { expression: "document.fonts.ready", awaitPromise: true });
    return { logged: this.#logged, requested: this.#requested.filter((asked) => asked !== url) };
  }

  /** PNG, in light colours. */
  async screenshot({ width, height }: PageSize): Promise<Buffer> {
    const metrics = { width, height: height ?? 1, deviceScaleFactor: 1, mobile: false };
    await this.#ask("Emulation.setDeviceMetricsOverride", metrics);
    await this.#ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: "light" }] });
    const { data } = await this.#ask("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: height === undefined,
      ...(height === undefined && { clip: { x: 0, y: 0, width, height: await this.#pageHeight(), scale: 1 } }),
    });
    return Buffer.from(String(data), "base64");
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit");
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
      await ended;
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  async #pageHeight(): Promise<number> {
    const expression = "document.documentElement.scrollHeight";
    const { result } = await this.#ask("Runtime.evaluate", { expression });
    return Number(fieldOf(result, "value"));
  }

  #ask(method: string, params: Message): Promise<Message> {
    this.#sent += 1;
    const id = this.#sent;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    this.#input.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`chromium did not answer ${method}`)), ANSWER_MS_MAX);
      const settle = () => clearTimeout(late);
      this.#answers.set(id, {
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
    });
  }

  #hear(text: string): void {
    const messages = (this.#heard + text).split("\0");
    this.#heard = messages.pop() ?? "";
    for (const message of messages) this.#take(JSON.parse(message));
  }

  #take(message: Message): void {
    const { id, method, params } = message;
    if (typeof id === "number") {
      const answer = this.#answers.get(id);
      this.#answers.delete(id);
      if (message.error === undefined) answer?.resolve(recordOf(message.result));
      else answer?.reject(new Error(`chromium: ${JSON.stringify(message.error)}`));
      return;
    }
    const said = JSON.stringify(params);
    if (method === "Page.loadEventFired") this.#events.emit("load");
    else if (method === "Network.requestWillBeSent") this.#asked(String(fieldOf(fieldOf(params, "request"), "url")));
    else if (method === "Runtime.consoleAPICalled" || method === "Log.entryAdded") this.#logged.push(said);
    else if (method === "Runtime.exceptionThrown") this.#logged.push(said);
  }

  #asked(url: string): void {
    if (!url.startsWith("data:")) this.#requested.push(url);
  }

  #fail(error: Error): void {
    this.#events.emit("error", error);
    for (const { reject } of this.#answers.values()) reject(error);
    this.#answers.clear();
  }
}

function recordOf(value: unknown): Message {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function fieldOf(value: unknown, key: string): unknown {
  return recordOf(value)[key];
}
