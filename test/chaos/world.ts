// What a chaos run breaks: a server with its containers, a proxy between it and its clients, one between it and Docker.
import { SwitchyardClient } from "../../src/client/index.js";
import { containersOf, docker, newInstance, processesOf, removeContainersOf } from "../support/docker-engine.js";
import { DockerProxy } from "../support/docker-proxy.js";
import { FaultProxy } from "../support/fault-proxy.js";
import { ServerProcess } from "../support/server-process.js";

const POOL = { slots_per_container: 8, min_containers: 2, max_containers: 5, pids: 4096 };
const START_MS_MAX = 120_000;
/** Of calls: what runs in a slot is one of these. */
const CALL = /^(bash -c echo c|sleep \d|tr )/;

export class World {
  readonly client: SwitchyardClient;
  failedStarts = 0;
  #server: ServerProcess;
  readonly #cleanUps: (() => void)[] = [];

  private constructor(
    readonly instance: string,
    readonly network: FaultProxy,
    readonly engine: DockerProxy,
  ) {
    this.client = new SwitchyardClient(network.address, {
      backoff: { initialMs: 50, maxMs: 500 },
      attemptTimeoutMs: 10_000,
      silenceMs: 60_000,
    });
    this.#server = this.#start();
  }

  static async start(seed: number): Promise<World> {
    const engine = await DockerProxy.start();
    const network = await FaultProxy.start("127.0.0.1:1", seed);
    const world = new World(newInstance(), network, engine);
    await world.#serve();
    return world;
  }

  get server(): ServerProcess {
    return this.#server;
  }

  /** kill -9, and another one in its place. */
  async killServer(): Promise<void> {
    await this.#server.kill("SIGKILL");
    await this.#serveAnew();
  }

  containers(): Promise<string[]> {
    return containersOf(this.instance);
  }

  /** Calls that run at this moment, by the daemon's own account. */
  async running(): Promise<number> {
    const counts = await Promise.all(
      (await this.containers()).map(async (id) => {
        const processes = await processesOf(docker.getContainer(id)).catch(() => []);
        return processes.filter(({ args }) => CALL.test(args)).length;
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Ends all of it; resolves with the server's exit and the containers that it left. */
  async end(): Promise<{ code: number | null; stderr: string; left: string[] }> {
    this.client.close();
    const { code, stderr } = await this.#server.kill("SIGTERM");
    const left = await this.containers();
    await removeContainersOf(this.instance);
    this.engine.close();
    await this.network.close();
    for (const cleanUp of this.#cleanUps) cleanUp();
    return { code, stderr, left };
  }

  #start(): ServerProcess {
    const settings = {
      instance: this.instance,
      pools: { default: POOL },
      log: { level: "error" },
      lease: { max_s: 3600 },
    };
    return new ServerProcess({ after: (act) => this.#cleanUps.push(act) }, settings, {
      env: { DOCKER_HOST: this.engine.host },
    });
  }

  /** As a supervisor does: a server that cannot start, for its daemon is out of reach, is started again. */
  async #serveAnew(): Promise<void> {
    for (const deadline = performance.now() + START_MS_MAX; ; ) {
      this.#server = this.#start();
      try {
        return await this.#serve();
      } catch (error) {
        if (performance.now() > deadline) throw error;
        this.failedStarts += 1;
      }
    }
  }

  async #serve(): Promise<void> {
    this.network.target = (await this.#server.ready).address;
  }
}
