// One container on a Docker daemon: how its runner is reached over the attach stream and the socket beside it, again and again, and its end. It is
// ours while no newer server has written its epoch into the container's name.
import { Duplex } from "node:stream";
import type Docker from "dockerode";
import { SwitchyardError } from "../../core/errors.js";
import type { Logger } from "../../core/log.js";
import type { Init } from "../../gen/switchyard/runner/v1/runner.js";
import type { Container } from "../backend.js";
import { type Line, LinkKeeper, type Streams } from "../link-keeper.js";
import { onceDone } from "../once-done.js";
import { RunnerClient } from "../runner-client.js";
import { logRunnerWords } from "../runner-words.js";
import { splitAttachStream } from "./attach-stream.js";
import { epochOfName } from "./container-name.js";
import { statusCode } from "./image.js";
import type { LinkSocket } from "./link-socket.js";

const ATTACH_MS_MAX = 20_000;

/** The daemon, as the containers of one server use it. */
export interface Engine {
  readonly docker: Docker;
  /** For attach streams, which may be silent for long. */
  readonly patientDocker: Docker;
  readonly epoch: number;
  readonly log: Logger;
  /** Whether a newer server of the instance has containers. */
  isFenced(): Promise<boolean>;
  /** A newer server of the instance has taken over. */
  onFenced(): void;
  onGone(container: DockerContainer): void;
  /** How long each answered ping of a link took, in milliseconds. */
  onRoundTrip(ms: number): void;
}

export interface ContainerIdentity {
  readonly nonce: string;
  readonly init: Init;
  readonly key: Buffer;
  readonly hasNetwork: boolean;
  /** Beside its attach stream. */
  readonly socket: LinkSocket | undefined;
}

export class DockerContainer implements Container, Line {
  readonly id: string;
  readonly address: string;
  readonly runner: RunnerClient;
  readonly nonce: string;
  readonly epoch: number;
  readonly destroy = onceDone(() => this.#destroy());
  readonly #keeper: LinkKeeper;
  readonly #socket: LinkSocket | undefined;
  readonly #log: Logger;

  constructor(
    private readonly engine: Engine,
    private readonly container: Docker.Container,
    { nonce, init, key, hasNetwork, socket }: ContainerIdentity,
  ) {
    this.id = container.id;
    this.address = `docker:${container.id}`;
    this.nonce = nonce;
    this.#socket = socket;
    this.epoch = engine.epoch;
    this.#log = engine.log.child({ container_id: container.id.slice(0, 12) });
    this.#keeper = new LinkKeeper(this, init);
    this.#keeper.on("roundTrip", (ms) => engine.onRoundTrip(ms));
    const id = container.id.slice(0, 12);
    this.runner = new RunnerClient({ id, keeper: this.#keeper, init, key, containerHasNetwork: hasNetwork });
  }

  /** Begins the link, before the container starts. */
  async attach(): Promise<void> {
    this.#keeper.begin(await this.#streams());
  }

  /** Begins the link to a runner that lives. */
  reach(): void {
    this.#keeper.dial();
  }

  async dial(): Promise<Streams | "gone" | "superseded"> {
    const info = await this.#inspect();
    const superseded = info ? epochOfName(info.Name) > this.epoch : await this.engine.isFenced();
    if (superseded) {
      this.engine.onFenced();
      return "superseded";
    }
    // One that is paused answers nobody, and whoever paused it will not be waited for.
    if (!info?.State.Running || info.State.Paused) return "gone";
    return this.#streams();
  }

  leave(): boolean {
    this.#keeper.close();
    this.engine.onGone(this);
    return true;
  }

  async #streams(): Promise<Streams> {
    const attached = this.engine.patientDocker
      .getContainer(this.id)
      .attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    const stream = await inTime(attached);
    if (!(stream instanceof Duplex))
      throw new SwitchyardError("INTERNAL", "Docker's attach stream is not a duplex stream");
    const { stdout, stderr } = splitAttachStream(stream);
    logRunnerWords(stderr, this.#log, () => this.#keeper.violation("more words than a runner has"));
    return { fromRunner: stdout, toRunner: stream, shortcut: await this.#socket?.listen() };
  }

  async #destroy(): Promise<void> {
    const info = await this.#inspect();
    if (info && epochOfName(info.Name) > this.epoch) {
      this.#keeper.close();
      this.engine.onFenced();
    } else {
      this.#keeper.lose("RUNNER_LOST", "its container was removed");
      // By its name: should another server rename it at this moment, there is none of that name.
      if (info) await removeContainer(this.engine.docker.getContainer(info.Name.replace(/^\//, "")));
      await this.#socket?.remove();
    }
    this.engine.onGone(this);
  }

  /** Undefined when there is no such container any more. */
  async #inspect(): Promise<Docker.ContainerInspectInfo | undefined> {
    try {
      return await this.container.inspect();
    } catch (error) {
      if (statusCode(error) === 404) return undefined;
      throw error;
    }
  }
}

/** The stream itself may be silent for long; the daemon's answer may not. */
async function inTime(attached: Promise<NodeJS.ReadWriteStream>): Promise<NodeJS.ReadWriteStream> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      attached.then((stream) => stream instanceof Duplex && stream.destroy()).catch(() => undefined);
      reject(new Error(`the daemon did not attach within ${ATTACH_MS_MAX / 1000} s`));
    }, ATTACH_MS_MAX);
  });
  try {
    return await Promise.race([attached, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Gone already, and being removed by somebody else, both count as removed; the latter is waited for. */
export async function removeContainer(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (error) {
    const code = statusCode(error);
    if (code === 409) await container.wait({ condition: "removed" }).catch(() => undefined);
    else if (code !== 404) throw error;
  }
}
