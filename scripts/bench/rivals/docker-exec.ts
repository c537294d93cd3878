// The rival that Docker itself offers: `docker exec` through its API, in a running container of the image that slots have.
import { finished } from "node:stream/promises";
import type Docker from "dockerode";
import { dockerClient } from "../../../src/backend/docker/dockerode.js";
import { loadConfig } from "../../../src/config/load.js";
import { percentile } from "../figures.js";
import type { Bench } from "../row.js";

/** It ends by itself, should nobody remove it. */
const CONTAINER_MAX_S = 1_800;

export class DockerExec {
  readonly #container: Docker.Container;

  private constructor(container: Docker.Container) {
    this.#container = container;
  }

  static async start(): Promise<DockerExec> {
    const image = loadConfig({ env: {}, flags: {} }).pools.default?.image ?? "";
    const container = await dockerClient().createContainer({
      Image: image,
      Entrypoint: ["sleep", String(CONTAINER_MAX_S)],
      Cmd: [],
      HostConfig: { Init: true, AutoRemove: true, NetworkMode: "none", LogConfig: { Type: "none", Config: {} } },
    });
    await container.start();
    return new DockerExec(container);
  }

  /** Until its output has ended and its exit code is known; resolves with how many bytes came, frames included. */
  async run(command: readonly string[]): Promise<number> {
    const exec = await this.#container.exec({ Cmd: [...command], AttachStdout: true, AttachStderr: true });
    const stream = await exec.start({});
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await finished(stream, { writable: false });
    const { ExitCode: code } = await exec.inspect();
    if (code !== 0) throw new Error(`docker exec ${command.join(" ")}: exit code ${code}`);
    return bytes;
  }

  /** Milliseconds of each command, `workers` at a time until the time is over, and how many ended per second. */
  async load(
    { seconds, signal }: Pick<Bench, "seconds" | "signal">,
    workers: number,
    command: readonly string[],
  ): Promise<{ readonly p50Ms: number; readonly rate: number }> {
    const times: number[] = [];
    const beganMs = performance.now();
    const worker = async () => {
      for (let fromMs = beganMs; fromMs < beganMs + seconds * 1000; fromMs = performance.now()) {
        signal.throwIfAborted();
        await this.run(command);
        times.push(performance.now() - fromMs);
      }
    };
    await Promise.all(Array.from({ length: workers }, worker));
    return { p50Ms: percentile(times, 0.5), rate: times.length / ((performance.now() - beganMs) / 1000) };
  }

  async stop(): Promise<void> {
    await this.#container.kill();
  }
}
