// The `switchyard` command as its users run it: through pipes, and in a real terminal, which tmux plays.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const COMMAND = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/src/cli/main.js");

const SCREEN_MS_MAX = 120_000;
const execute = promisify(execFile);

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Buffer;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Nothing of this process's own environment but PATH: NO_COLOR and SWITCHYARD_CLIENT_* would change what is seen. */
export function startCli(args: readonly string[], { env, cwd }: RunOptions = {}) {
  return spawn(process.execPath, [COMMAND, ...args], { cwd, env: { PATH: process.env.PATH, ...env } });
}

export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const child = startCli(args, options);
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input);
  const [code] = await once(child, "close");
  const bytes = Buffer.concat(stdout);
  return { code, bytes, stdout: bytes.toString("utf8"), stderr: Buffer.concat(stderr).toString("utf8") };
}

interface TestScope {
  after(cleanUp: () => Promise<void>): void;
}

/** A terminal with a shell in it, in which `switchyard` is the command. */
export class CliTerminal {
  private constructor(private readonly socket: string) {}

  static async open(test: TestScope, env: Readonly<Record<string, string>>, columns = 100, rows = 30) {
    const folder = mkdtempSync(join(tmpdir(), "switchyard-terminal-"));
    const terminal = new CliTerminal(join(folder, "tmux"));
    test.after(async () => {
      await terminal.#tmux("kill-server");
      rmSync(folder, { recursive: true, force: true });
    });
    const shell = `switchyard() { ${process.execPath} ${COMMAND} "$@"; }; PS1='$ '`;
    const variables = Object.entries({ ...env, SHELL: "/bin/bash" }).flatMap(([name, value]) => [
      "-e",
      `${name}=${value}`,
    ]);
    const size = ["-x", `${columns}`, "-y", `${rows}`];
    await terminal.#tmux("new-session", "-d", ...size, ...variables, "bash --norc --noprofile");
    await terminal.type(shell, "Enter", "C-l");
    await terminal.screenIs(/^\$$/);
    return terminal;
  }

  /** Texts, and tmux's names of keys. */
  async type(...keys: string[]): Promise<void> {
    for (const key of keys) {
      const isName = /^(Enter|[CM]-.|Escape|Up|Down|Tab)$/.test(key);
      await this.#tmux("send-keys", ...(isName ? [key] : ["-l", key]));
    }
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", `${columns}`, "-y", `${rows}`);
  }

  /** Without what blanks end its lines and its end. */
  async screen(): Promise<string> {
    return (await this.#tmux("capture-pane", "-p")).trimEnd();
  }

  /** Resolves with the screen once it is as it should be; asks until then. */
  async screenIs(wanted: RegExp | ((screen: string) => boolean)): Promise<string> {
    const late = Date.now() + SCREEN_MS_MAX;
    for (;;) {
      const screen = await this.screen();
      if (wanted instanceof RegExp ? wanted.test(screen) : wanted(screen)) return screen;
      if (Date.now() > late) throw new Error(`the screen does not come to ${wanted}:\n${screen}`);
    }
  }

  async #tmux(...args: string[]): Promise<string> {
    const { stdout } = await execute("tmux", ["-S", this.socket, "-f", "/dev/null", ...args], { encoding: "utf8" });
    return stdout;
  }
}

/** A screen or text without what differs from run to run: addresses, ids, durations, rates, and how wide they make columns. */
export function steady(text: string): string {
  return text
    .replace(/127\.0\.0\.1:\d+/g, "ADDRESS")
    .replace(/\b\d+\.\d+\.\d+\b/g, "VERSION")
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
    .replace(/\b(\d+\.\d+s|\d+s|\d+[mhd]\d\d[smh])/g, "TIME")
    .replace(/\b\d+\.\d+\b/g, "RATE")
    .replace(/ +/g, " ")
    .replace(/ $/gm, "");
}
