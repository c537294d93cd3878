// The server in each container of the reference: one loop for all its slots. It runs the calls of a batch at once, those of one
// slot one after the other, enters bubblewrap anew for each command, and reads, writes and wipes files in its own loop. It ends
// with its stdin, so that it does not outlive who started it.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join, resolve } from "node:path";
import {
  type Arguments,
  type BatchRequest,
  LISTENING,
  type ResetRequest,
  type Result,
  type ServerSettings,
  type SlotCall,
} from "./protocol.js";

const SLOTS = "/slots";
const FILE_BYTES_MAX = 100_000;
const SYSTEM = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc"].flatMap((path) => ["--ro-bind-try", path, path]);

const settings = JSON.parse(process.argv.at(-1) ?? "") as ServerSettings;
const workspaces = Array.from({ length: settings.slots }, (_, slot) => join(SLOTS, String(slot)));
const turns = new Map<number, Promise<unknown>>();

function main(): void {
  for (const workspace of workspaces) mkdirSync(workspace, { recursive: true });
  const server = createServer((request, response) => {
    bodyOf(request)
      .then((body) => answer(request.url ?? "", body))
      .then(
        (text) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(text)),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
  });
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${LISTENING}${(server.address() as AddressInfo).port}\n`);
  });
  process.stdin.resume().once("end", () => process.exit(0));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

async function answer(path: string, body: string): Promise<unknown> {
  if (path === "/reset") {
    const { slot } = JSON.parse(body) as ResetRequest;
    await inTurn(slot, async () => wipe(workspaceOf(slot)));
    return {};
  }
  if (path !== "/batch") throw new Error(`unknown path ${path}`);
  const { timeout_s, calls } = JSON.parse(body) as BatchRequest;
  const results = await Promise.all(calls.map((call) => inTurn(call.slot, () => run(call, timeout_s))));
  return { results };
}

function inTurn<T>(slot: number, work: () => Promise<T>): Promise<T> {
  const turn = (turns.get(slot) ?? Promise.resolve()).then(work);
  turns.set(
    slot,
    turn.catch(() => undefined),
  );
  return turn;
}

function workspaceOf(slot: number): string {
  const workspace = workspaces[slot];
  if (workspace === undefined) throw new Error(`no slot ${slot}`);
  return workspace;
}

function wipe(workspace: string): void {
  rmSync(workspace, { recursive: true, force: true });
  mkdirSync(workspace);
}

async function run({ slot, tool, arguments: args }: SlotCall, timeoutS: number): Promise<Result> {
  const workspace = workspaceOf(slot);
  switch (tool) {
    case "bash":
      return bash(workspace, String(args.command), timeoutS);
    case "read_file":
      return ofFile(workspace, args, (path) => {
        if (!existsSync(path)) throw new Error(`File not found: ${args.path}`);
        const { size } = statSync(path);
        if (size > FILE_BYTES_MAX) throw new Error(`File too large: ${size} bytes (max ${FILE_BYTES_MAX})`);
        return readFileSync(path, "utf8");
      });
    case "write_file":
      return ofFile(workspace, args, (path) => {
        const content = String(args.content);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, content);
        return `Successfully wrote ${Buffer.byteLength(content)} bytes to ${args.path}`;
      });
    default:
      return { success: false, output: "", error: `Unknown tool: ${tool}` };
  }
}

function bash(workspace: string, command: string, timeoutS: number): Promise<Result> {
  const [program = "", ...args] = [...(settings.sandboxed ? bubblewrap(workspace) : []), "/bin/bash", "-c", command];
  return new Promise((resolveResult, reject) => {
    const child = spawn(program, args, { cwd: workspace, stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, timeoutS * 1000);
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      const [out, err] = [Buffer.concat(stdout).toString("utf8"), Buffer.concat(stderr).toString("utf8")];
      const output = err === "" ? out : `${out}\n[stderr]\n${err}`;
      const exit = code === 0 ? "" : `Exit code: ${code}`;
      const error = timedOut ? `Command timed out after ${timeoutS}s` : exit;
      resolveResult({ success: error === "", output: output.trim(), error });
    });
  });
}

/** With the network, as the reference's default has it. */
function bubblewrap(workspace: string): string[] {
  return [
    ...["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"],
    ...["--new-session", ...SYSTEM, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"],
    ...["--bind", workspace, "/workspace", "--chdir", "/workspace", "--setenv", "HOME", "/workspace"],
  ];
}

function ofFile(workspace: string, args: Arguments, work: (path: string) => string): Result {
  const path = resolve(workspace, String(args.path));
  if (!path.startsWith(`${workspace}/`)) {
    return { success: false, output: "", error: "Access denied: path outside workspace" };
  }
  try {
    return { success: true, output: work(path), error: "" };
  } catch (error) {
    return { success: false, output: "", error: error instanceof Error ? error.message : String(error) };
  }
}

main();
