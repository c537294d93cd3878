// The Docker backend: containers through the Engine's API, the link over their attach stream or a socket beside it, labels to find them again
// and to go on with what a server that died left behind.
import { createHash, randomBytes } from "node:crypto";
import type Docker from "dockerode";
import { messageOf, SwitchyardError, withContext } from "../../core/errors.js";
import type { Logger } from "../../core/log.js";
import { EPOCH_MAX } from "../../link/frames.js";
import type { AdoptedContainer, Backend, Container } from "../backend.js";
import { initFrame, type RunnerSettings } from "../runner-settings.js";
import type { UidBlock } from "../uid-block.js";
import { containerName, epochOfName } from "./container-name.js";
import {
  type ContainerLabels,
  containerOptions,
  type DockerPool,
  INSTANCE_LABEL,
  readLabels,
} from "./container-options.js";
import { DockerContainer, type Engine, removeContainer } from "./docker-container.js";
import { dockerClient } from "./dockerode.js";
import { ensureImage, statusCode } from "./image.js";
import { type LinkSocket, LinkSockets } from "./link-socket.js";
import { RuntimeVolume } from "./runtime-volume.js";

/** A daemon that takes longer for an ordinary request does not answer. */
const API_TIMEOUT_MS = 60_000;
const PING_TIMEOUT_MS = 5_000;
/** How long it may take until a runner that lives has told what it has, should the daemon be out of reach meanwhile. */
const ADOPT_MS_MAX = 90_000;

export interface DockerBackendOptions {
  readonly instance: string;
  /** By pool name. */
  readonly pools: ReadonlyMap<string, DockerPool & RunnerSettings>;
  readonly uids: UidBlock;
  readonly log: Logger;
  /** A newer server of this instance has taken over: this one must end, and say nothing more about its calls. */
  readonly onFenced: () => void;
  /** Told how long each answered ping of a link took, in milliseconds. */
  readonly onRoundTrip?: (ms: number) => void;
  /** Told in words what takes long while it starts. */
  readonly onProgress?: ((text: string) => void) | undefined;
}

/** Whether a Docker daemon answers; with the reason when none does. */
export async function findDocker(): Promise<{ found: true } | { found: false; reason: string }> {
  try {
    await dockerClient({ timeout: PING_TIMEOUT_MS }).ping();
    return { found: true };
  } catch (error) {
    return { found: false, reason: messageOf(error) };
  }
}

export class DockerBackend implements Backend {
  readonly name = "docker";
  readonly #docker = dockerClient({ timeout: API_TIMEOUT_MS });
  /** For what rightly takes long, and for attach streams, which may be silent. */
  readonly #patientDocker = dockerClient();
  readonly #containers = new Set<Container>();
  readonly #sockets: LinkSockets;
  #left: readonly Docker.ContainerInfo[] = [];
  #runtime: RuntimeVolume | undefined;
  /** Of what the runtime volume holds. */
  #runtimeDigest = "";
  #liveRestore = false;
  #epoch = 0;

  constructor(private readonly options: DockerBackendOptions) {
    this.#sockets = new LinkSockets(options.instance, options.log);
  }

  async start(): Promise<void> {
    const { pools, log, uids, instance, onProgress } = this.options;
    try {
      await dockerClient({ timeout: PING_TIMEOUT_MS }).ping();
    } catch (error) {
      const why = `Docker does not answer: ${messageOf(error)}; start it, or use --backend process`;
      throw new SwitchyardError("BACKEND_UNAVAILABLE", why, { cause: error });
    }
    const info: { LiveRestoreEnabled?: boolean; SystemTime?: string } = await this.#docker.info();
    this.#liveRestore = info.LiveRestoreEnabled === true;
    const all = await this.#list(INSTANCE_LABEL);
    for (const { Labels } of all) {
      const init = readLabels(Labels)?.init;
      if (init) uids.avoid(init.uidBase, init.slots);
    }
    this.#left = all.filter(({ Labels }) => Labels[INSTANCE_LABEL] === instance);
    await this.#sockets.tidy(this.#left.map(({ Labels }) => readLabels(Labels)?.linkFolder));
    this.#epoch = Math.min(Math.max(Date.now(), newest(this.#left) + 1), EPOCH_MAX);
    for (const { image } of pools.values()) await ensureImage(this.#patientDocker, image, log, onProgress);
    const [first] = pools.values();
    if (!first) return;
    const runtime = new RuntimeVolume({ docker: this.#docker, patientDocker: this.#patientDocker }, first.image);
    this.#runtime = runtime;
    this.#runtimeDigest = await runtime.digest();
    await runtime.tidy(await runtime.ensure(), Date.parse(info.SystemTime ?? ""), log);
  }

  async adopt(): Promise<readonly AdoptedContainer[]> {
    const adopted = await Promise.allSettled(this.#left.map((info) => this.#adoptOrRemove(info)));
    this.#left = [];
    const failure = adopted.find((it) => it.status === "rejected");
    if (failure) {
      for (const container of [...this.#containers]) container.leave();
      throw withContext("docker", failure.reason, "BACKEND_UNAVAILABLE");
    }
    return adopted.flatMap((it) => (it.status === "fulfilled" && it.value ? [it.value] : []));
  }

  async startContainer(pool: string, signal: AbortSignal, onLeft: (container: Container) => void): Promise<Container> {
    const settings = this.options.pools.get(pool);
    if (!settings) throw new SwitchyardError("UNKNOWN_POOL", `no pool is named ${pool}`);
    try {
      signal.throwIfAborted();
      const { created, container } = await this.#create(pool, settings, onLeft);
      try {
        await container.attach();
        signal.throwIfAborted();
        await created.start({ abortSignal: signal });
        await container.runner.start(signal);
        this.#admitIsolation(container, settings);
      } catch (error) {
        await this.#discard(container, onLeft);
        throw error;
      }
      return container;
    } catch (error) {
      throw withContext("docker", error, "BACKEND_UNAVAILABLE");
    }
  }

  async close(): Promise<void> {
    const ends = await Promise.allSettled([...this.#containers].map((container) => container.destroy()));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  /** Not to be aborted: the daemon would go on making a container that nobody knows of. */
  async #create(pool: string, settings: DockerPool & RunnerSettings, onLeft: (container: Container) => void) {
    const socket = await this.#sockets.make();
    try {
      return await this.#createWith(socket, pool, settings, onLeft);
    } catch (error) {
      await socket?.remove();
      if (!this.#sockets.refused(socket, error)) throw error;
      return this.#createWith(undefined, pool, settings, onLeft);
    }
  }

  async #createWith(
    socket: LinkSocket | undefined,
    pool: string,
    settings: DockerPool & RunnerSettings,
    onLeft: (container: Container) => void,
  ) {
    const identity = {
      instance: this.options.instance,
      pool,
      nonce: randomBytes(16).toString("hex"),
      key: randomBytes(32),
      init: initFrame(settings, this.options.uids),
      settings: this.#fingerprint(settings),
      linkFolder: socket?.folder,
    };
    const name = containerName(identity.instance, identity.nonce, this.#epoch);
    const known = { ...identity, socket, hasNetwork: settings.network !== "none" };
    const options = { runtimeVolume: await this.#runtimeVolume(), liveRestore: this.#liveRestore };
    try {
      const created = await this.#docker.createContainer({ name, ...containerOptions(identity, settings, options) });
      return { created, container: this.#contain(created, known) };
    } catch (error) {
      // A daemon that gave no answer may have made it all the same.
      if (statusCode(error) === undefined) {
        await this.#discard(this.#contain(this.#docker.getContainer(name), known), onLeft);
      }
      throw error;
    }
  }

  #runtimeVolume(): Promise<string> {
    if (!this.#runtime)
      throw new SwitchyardError("INTERNAL", "a container is asked for before the backend was started");
    return this.#runtime.ensure();
  }

  /** Of a start that failed; why it did is what its caller is told. */
  async #discard(container: Container, onLeft: (container: Container) => void): Promise<void> {
    try {
      await container.destroy();
    } catch (error) {
      this.options.log.warn(
        { container_id: container.id, reason: messageOf(error) },
        "a failed start leaves a container",
      );
      onLeft(container);
    }
  }

  #contain(created: Docker.Container, identity: ConstructorParameters<typeof DockerContainer>[2]): DockerContainer {
    const container = new DockerContainer(this.#engine(), created, identity);
    this.#containers.add(container);
    return container;
  }

  #engine(): Engine {
    return {
      docker: this.#docker,
      patientDocker: this.#patientDocker,
      epoch: this.#epoch,
      log: this.options.log,
      isFenced: async () => newest(await this.#list(`${INSTANCE_LABEL}=${this.options.instance}`)) > this.#epoch,
      onFenced: () => this.options.onFenced(),
      onGone: (container) => this.#containers.delete(container),
      onRoundTrip: (ms) => this.options.onRoundTrip?.(ms),
    };
  }

  /** What a container is made of, so that one that was made otherwise is told. */
  #fingerprint(settings: DockerPool & RunnerSettings): string {
    return createHash("sha256")
      .update(JSON.stringify([settings, this.#runtimeDigest]))
      .digest("hex");
  }

  #admitIsolation({ runner }: Container, settings: RunnerSettings): void {
    if (runner.isolation !== "none") return;
    const reason = "isolationReason" in runner ? runner.isolationReason : "";
    if (settings.requireSandbox) {
      throw new SwitchyardError("SANDBOX_UNAVAILABLE", `policy.require_sandbox is on, but ${reason}`);
    }
    this.options.log.warn({ reason }, "slots of this container share it without a sandbox");
  }

  #list(label: string): Promise<Docker.ContainerInfo[]> {
    return this.#docker.listContainers({ all: true, filters: JSON.stringify({ label: [label] }) });
  }

  /** Rejects when the daemon fails: then nothing is removed, and the next start may try again. */
  async #adoptOrRemove(info: Docker.ContainerInfo): Promise<AdoptedContainer | undefined> {
    const log = this.options.log.child({ container_id: info.Id.slice(0, 12) });
    const labels = readLabels(info.Labels);
    const settings = labels && this.options.pools.get(labels.pool);
    try {
      if (!settings) throw new Error("it belongs to no pool of this server");
      if (info.State !== "running") throw new Error(`it is ${info.State}`);
      // A policy holds at once, for those who were there before, too.
      const { allowNetwork } = labels.init;
      if (allowNetwork && !settings.allowNetwork) throw new Error("it has a network, which the policy allows no more");
      const container = await this.#takeOver(info, labels);
      if (!container) return undefined;
      const late = AbortSignal.timeout(ADOPT_MS_MAX);
      const slots = await container.runner.adopt(late).catch((cause: unknown) => {
        throw late.aborted ? new DaemonFailed("a container does not answer", { cause }) : cause;
      });
      this.#admitIsolation(container, settings);
      // Its root may have been anybody's; without a lease it is nobody's any more.
      if (labels.init.isolation === "container" && !slots.some(({ lease }) => lease)) throw new Error("it was used");
      log.info({ pool: labels.pool }, "container of an earlier server taken over");
      return { pool: labels.pool, container, outdated: labels.settings !== this.#fingerprint(settings), slots };
    } catch (error) {
      if (error instanceof DaemonFailed) throw error.cause;
      log.warn({ reason: messageOf(error) }, "removing a container of an earlier server");
      await removeContainer(this.#docker.getContainer(info.Id));
      await this.#sockets.of(labels?.linkFolder)?.remove();
      return undefined;
    }
  }

  /** From now on the server that started it can see that it is not its own any more. Undefined when it has gone. */
  async #takeOver(info: Docker.ContainerInfo, labels: ContainerLabels): Promise<DockerContainer | undefined> {
    const found = this.#docker.getContainer(info.Id);
    const name = containerName(this.options.instance, labels.nonce, this.#epoch);
    try {
      // Asked for by the name that it had: if another server has renamed it since, it is that one's.
      await this.#docker.getContainer(info.Names[0]?.replace(/^\//, "") ?? info.Id).rename({ name });
    } catch (cause) {
      if (statusCode(cause) === 404) return undefined;
      throw new DaemonFailed("a container cannot be renamed", { cause });
    }
    const socket = this.#sockets.of(labels.linkFolder);
    const hasNetwork = info.HostConfig.NetworkMode !== "none";
    const container = this.#contain(found, { ...labels, socket, hasNetwork });
    container.reach();
    return container;
  }
}

/** It says nothing about the container that was asked for. */
class DaemonFailed extends Error {}

function newest(containers: readonly Docker.ContainerInfo[]): number {
  return Math.max(0, ...containers.flatMap(({ Names }) => Names.map(epochOfName)));
}
