// A Docker daemon of the test's own, in a network namespace of its own so that it leaves the machine's one alone: to be
// stopped and started under a server. It has the sandbox image of the first.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import Docker from "dockerode";
import { eventually, SANDBOX_IMAGE } from "./docker-engine.js";

const run = promisify(execFile);

export class SecondDaemon {
  readonly docker: Docker;
  readonly host: string;
  #child: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly flags: readonly string[],
  ) {
    this.host = `unix://${folder}/sock`;
    this.docker = new Docker({ socketPath: `${folder}/sock` });
  }

  static async start(test: { after(cleanUp: () => Promise<void>): void }, ...flags: string[]): Promise<SecondDaemon> {
    const daemon = new SecondDaemon(mkdtempSync(join(tmpdir(), "switchyard-dockerd-")), flags);
    test.after(() => daemon.#cleanUp());
    await daemon.up();
    await run("bash", ["-c", `docker save ${SANDBOX_IMAGE} | docker --host ${daemon.host} load --quiet`]);
    return daemon;
  }

  async up(): Promise<void> {
    const at = (name: string) => join(this.folder, name);
    const log = openSync(at("log"), "a");
    const own = ["--data-root", at("data"), "--exec-root", at("exec"), "--pidfile", at("pid"), "-H", this.host];
    const quiet = ["--iptables=false", "--bridge=none"];
    const child = spawn("unshare", ["--net", "dockerd", ...own, ...quiet, ...this.flags], {
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#child = child;
    await eventually("the daemon answers", async () => {
      if (child.exitCode !== null) throw new Error(readFileSync(at("log"), "utf8").slice(-2000));
      return this.docker.ping().catch(() => undefined);
    });
  }

  /** Ends the daemon; with --live-restore its containers live on. */
  async down(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  }

  async #cleanUp(): Promise<void> {
    if (this.#child?.exitCode !== null) await this.up();
    const left = await this.docker.listContainers({ all: true });
    await Promise.all(left.map(({ Id }) => this.docker.getContainer(Id).remove({ force: true, v: true })));
    await this.down();
    const mounts = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "");
    for (const mount of mounts.filter((path) => path.startsWith(`${this.folder}/`))) await run("umount", ["-l", mount]);
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true });
  }
}
