// The Docker backend: containers through the Engine's API, the link over their attach stream, labels to find them again.
import { randomBytes } from "node:crypto";
import { Duplex } from "node:stream";
import Docker from "dockerode";
import { messageOf, SwitchyardError, withContext } from "../../core/errors.js";
import type { Logger } from "../../core/log.js";
import type { Backend, Container } from "../backend.js";
import { onceDone } from "../once-done.js";
import { RunnerClient } from "../runner-client.js";
import { openRunnerLink } from "../runner-link.js";
import { initFrame, type RunnerSettings } from "../runner-settings.js";
import { logRunnerWords } from "../runner-words.js";
import type { UidBlock } from "../uid-block.js";
import { splitAttachStream } from "./attach-stream.js";
import { containerOptions, type DockerPool, INSTANCE_LABEL } from "./container-options.js";
import { ensureImage, statusCode } from "./image.js";
import { ensureRuntimeVolume } from "./runtime-volume.js";

/** A daemon that takes longer for an ordinary request does not answer. */
const API_TIMEOUT_MS = 60_000;
const PING_TIMEOUT_MS = 5_000;

export interface DockerBackendOptions {
  readonly instance: string;
  /** By pool name. */
  readonly pools: ReadonlyMap<string, DockerPool & RunnerSettings>;
  readonly uids: UidBlock;
  readonly log: Logger;
}

/** Whether a Docker daemon answers; with the reason when none does. */
export async function findDocker(): Promise<{ found: true } | { found: false; reason: string }> {
  try {
    await new Docker({ timeout: PING_TIMEOUT_MS }).ping();
    return { found: true };
  } catch (error) {
    return { found: false, reason: messageOf(error) };
  }
}

export class DockerBackend implements Backend {
  readonly name = "docker";
  readonly #docker = new Docker({ timeout: API_TIMEOUT_MS });
  /** For what rightly takes long, and for attach streams, which may be silent. */
  readonly #patientDocker = new Docker();
  readonly #containers = new Set<Container>();
  #runtimeVolume = "";

  constructor(private readonly options: DockerBackendOptions) {}

  async start(): Promise<void> {
    const { pools, log } = this.options;
    try {
      await new Docker({ timeout: PING_TIMEOUT_MS }).ping();
    } catch (error) {
      const why = `Docker does not answer: ${messageOf(error)}; start it, or use --backend process`;
      throw new SwitchyardError("BACKEND_UNAVAILABLE", why, { cause: error });
    }
    await this.#removeLeftovers();
    for (const { image } of pools.values()) await ensureImage(this.#patientDocker, image, log);
    const [first] = pools.values();
    if (first) this.#runtimeVolume = await ensureRuntimeVolume(this.#patientDocker, first.image);
  }

  async startContainer(pool: string, signal: AbortSignal): Promise<Container> {
    const settings = this.options.pools.get(pool);
    if (!settings) throw new SwitchyardError("UNKNOWN_POOL", `no pool is named ${pool}`);
    const nonce = randomBytes(16).toString("hex");
    const identity = { instance: this.options.instance, pool, nonce };
    try {
      signal.throwIfAborted();
      // Not to be aborted: the daemon would go on making a container that nobody knows of.
      const created = await this.#docker.createContainer(containerOptions(identity, settings, this.#runtimeVolume));
      const container = await this.#attach(created, nonce, settings);
      try {
        signal.throwIfAborted();
        await created.start({ abortSignal: signal });
        await container.runner.start(signal);
        this.#admitIsolation(container.runner, settings);
      } catch (error) {
        await container.destroy();
        throw error;
      }
      return container;
    } catch (error) {
      throw withContext("docker", error, "BACKEND_UNAVAILABLE");
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#containers].map((container) => container.destroy()));
  }

  async #attach(created: Docker.Container, nonce: string, settings: DockerPool & RunnerSettings) {
    const log = this.options.log.child({ container_id: created.id.slice(0, 12) });
    const stream = await this.#patientDocker
      .getContainer(created.id)
      .attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true })
      .catch(async (error: unknown) => {
        await remove(created);
        throw error;
      });
    if (!(stream instanceof Duplex))
      throw new SwitchyardError("INTERNAL", "Docker's attach stream is not a duplex stream");
    const { stdout, stderr } = splitAttachStream(stream);
    const link = openRunnerLink(stdout, stream, nonce);
    const runner = new RunnerClient(
      created.id.slice(0, 12),
      link,
      initFrame(settings, this.options.uids),
      settings.network !== "none",
    );
    logRunnerWords(stderr, log, () => runner.violation("more words than a runner has"));
    const container = {
      id: created.id,
      address: `docker:${created.id}`,
      runner,
      destroy: onceDone(async () => {
        await remove(created);
        link.close();
        this.#containers.delete(container);
      }),
    };
    this.#containers.add(container);
    return container;
  }

  #admitIsolation(runner: RunnerClient, settings: RunnerSettings): void {
    if (runner.isolation !== "none") return;
    if (settings.requireSandbox) {
      throw new SwitchyardError("SANDBOX_UNAVAILABLE", `policy.require_sandbox is on, but ${runner.isolationReason}`);
    }
    this.options.log.warn({ reason: runner.isolationReason }, "slots of this container share it without a sandbox");
  }

  /** Containers of this instance that a dead server left, in whatever state they are. */
  async #removeLeftovers(): Promise<void> {
    const label = `${INSTANCE_LABEL}=${this.options.instance}`;
    const left = await this.#docker.listContainers({ all: true, filters: JSON.stringify({ label: [label] }) });
    if (left.length === 0) return;
    this.options.log.warn(
      { containers: left.map(({ Id }) => Id.slice(0, 12)) },
      "removing containers of a dead server",
    );
    await Promise.all(left.map(({ Id }) => remove(this.#docker.getContainer(Id))));
  }
}

/** Gone already, and being removed by somebody else, both count as removed; the latter is waited for. */
async function remove(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    const code = statusCode(error);
    if (code === 409) await container.wait({ condition: "removed" }).catch(() => undefined);
    else if (code !== 404) throw error;
  }
}
