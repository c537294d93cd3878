// A proxy in front of the Docker daemon's socket, for a server that is to lose its daemon, or the links through it, for a
// while: the containers know nothing of it.
import { rmSync } from "node:fs";
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DAEMON = "/var/run/docker.sock";

interface Pair {
  readonly client: Socket;
  readonly daemon: Socket;
  /** Whether it carries an attach stream. */
  attached: boolean;
}

export class DockerProxy {
  readonly #pairs = new Set<Pair>();
  #away = false;
  #cuts = 0;

  private constructor(
    readonly path: string,
    server: Server,
  ) {
    server.on("connection", (client: Socket) => this.#join(client));
  }

  static async start(test: { after(cleanUp: () => void): void }): Promise<DockerProxy> {
    const path = join(tmpdir(), `switchyard-docker-${process.pid}-${Math.random().toString(36).slice(2)}.sock`);
    const server = createServer();
    const proxy = new DockerProxy(path, server);
    await new Promise<AddressInfo | string | null>((resolve) => server.listen(path, () => resolve(server.address())));
    test.after(() => {
      server.close();
      proxy.#cut(() => true);
      rmSync(path, { force: true });
    });
    return proxy;
  }

  /** As DOCKER_HOST takes it. */
  get host(): string {
    return `unix://${this.path}`;
  }

  /** Attach streams that were cut. */
  get cuts(): number {
    return this.#cuts;
  }

  /** Breaks every attach stream, and nothing else. */
  cutLinks(): void {
    this.#cut(({ attached }) => attached);
  }

  /** The daemon cannot be reached from now on. */
  goAway(): void {
    this.#away = true;
    this.#cut(() => true);
  }

  comeBack(): void {
    this.#away = false;
  }

  #cut(which: (pair: Pair) => boolean): void {
    for (const pair of [...this.#pairs].filter(which)) {
      if (pair.attached) this.#cuts += 1;
      pair.client.destroy();
      pair.daemon.destroy();
    }
  }

  #join(client: Socket): void {
    if (this.#away) return void client.destroy();
    const daemon = createConnection(DAEMON);
    const pair: Pair = { client, daemon, attached: false };
    this.#pairs.add(pair);
    client.on("data", (chunk: Buffer) => {
      if (chunk.subarray(0, 300).includes("/attach?")) pair.attached = true;
    });
    client.pipe(daemon).pipe(client);
    for (const socket of [client, daemon]) {
      socket.on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        daemon.destroy();
        this.#pairs.delete(pair);
      });
    }
  }
}
