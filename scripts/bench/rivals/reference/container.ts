// The reference's containers: one server and its slots each, spoken to by HTTP over the loopback. A container ends when its stdin
// does, hence with this process however that ends; one that was made but never started is removed by the next bench.

import { once } from "node:events";
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import type Docker from "dockerode";
import { build } from "esbuild";
import { dockerClient } from "../../../../src/backend/docker/dockerode.js";
import { seccompProfile } from "../../../../src/backend/docker/seccomp.js";
import { LISTENING, type ServerSettings } from "./protocol.js";

const IMAGE = "switchyard-sandbox:latest";
/** The process that made it. */
const LABEL = "switchyard.bench.reference";
/** The reference's client gives up then, whatever the calls' timeout. */
const HTTP_MS_MAX = 30_000;
const START_MS_MAX = 60_000;

export class Container {
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(
    private readonly docker: Docker.Container,
    private readonly port: number,
    private readonly ended: Promise<unknown>,
    private readonly stdin: NodeJS.ReadWriteStream,
  ) {}

  static async start(settings: ServerSettings, signal: AbortSignal): Promise<Container> {
    const docker = dockerClient();
    const container = await docker.createContainer({
      Image: IMAGE,
      Cmd: ["node", "--input-type=module", "-e", await serverText(), JSON.stringify(settings)],
      Labels: { [LABEL]: String(process.pid) },
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      HostConfig: {
        AutoRemove: true,
        // Cheaper than a published port, whose proxy would carry every byte.
        NetworkMode: "host",
        SecurityOpt: [`seccomp=${seccompProfile()}`],
        MaskedPaths: [],
        ReadonlyPaths: [],
      },
    });
    const stdin = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
    const ended = once(stdin, "close");
    ended.catch(() => undefined);
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    docker.modem.demuxStream(stdin, stdout, stderr);
    const said: string[] = [];
    createInterface({ input: stderr }).on("line", (line) => said.push(line));
    await container.start();
    const port = await portOf(stdout, ended, signal).catch((error: unknown) => {
      stdin.end();
      throw new Error(`the reference's container did not start: ${said.join("\n")}`, { cause: error });
    });
    return new Container(container, port, ended, stdin);
  }

  /** Rejects when the answer is not whole within the client's limit. */
  post(path: string, body: object): Promise<unknown> {
    const text = Buffer.from(JSON.stringify(body));
    const headers = { "content-type": "application/json", "content-length": text.length };
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: this.port, path, method: "POST", headers, agent: this.#agent };
      const sent = request({ ...options, signal: AbortSignal.timeout(HTTP_MS_MAX) }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const answer = Buffer.concat(chunks).toString("utf8");
          if (response.statusCode === 200) resolve(JSON.parse(answer));
          else reject(new Error(`HTTP ${response.statusCode}: ${answer}`));
        });
      });
      sent.once("error", reject);
      sent.end(text);
    });
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    const gone = this.docker.wait({ condition: "removed" }).catch(() => undefined);
    this.stdin.end();
    await Promise.all([this.ended, gone]);
  }
}

async function portOf(stdout: PassThrough, ended: Promise<unknown>, signal: AbortSignal): Promise<number> {
  const lines = createInterface({ input: stdout });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(START_MS_MAX)]);
  const early = ended.then(() => {
    throw new Error("it ended");
  });
  const [line] = (await Promise.race([once(lines, "line", { signal: limit }), early])) as [string];
  if (!line.startsWith(LISTENING)) throw new Error(`it said ${line}`);
  return Number(line.slice(LISTENING.length));
}

let text: Promise<string> | undefined;

function serverText(): Promise<string> {
  text ??= bundle();
  return text;
}

async function bundle(): Promise<string> {
  const entry = fileURLToPath(new URL("./sandbox-server.ts", import.meta.url));
  const options = { bundle: true, write: false, platform: "node", format: "esm", target: "node18" } as const;
  const { outputFiles } = await build({ entryPoints: [entry], ...options });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild made nothing of the reference's server");
  return file.text;
}

/** Removes containers of benches that are no more. */
export async function removeLeftovers(): Promise<void> {
  const docker = dockerClient();
  const found = await docker.listContainers({ all: true, filters: JSON.stringify({ label: [LABEL] }) });
  for (const { Id, Labels } of found) {
    if (!isAlive(Number(Labels[LABEL])))
      await docker
        .getContainer(Id)
        .remove({ force: true })
        .catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
