// The Docker daemon as the docker suite looks at it: a service on it, its containers by instance, their processes, their
// comings and goings. Every service made here is checked to leave no container behind.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { buffer } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import Docker from "dockerode";
import { INSTANCE_LABEL } from "../../src/backend/docker/container-options.js";
import { type LiveService, startLive } from "./live-service.js";

export const docker = new Docker();
export const SANDBOX_IMAGE = "switchyard-sandbox:latest";

/** What of node:test's context is needed here. */
interface TestScope {
  after(cleanUp: () => Promise<void>): void;
}

export interface DockerService extends LiveService {
  readonly instance: string;
}

/** A name that no other test has. */
export function newInstance(): string {
  return `test-${process.pid}-${randomBytes(4).toString("hex")}`;
}

/** A whole server on the real daemon; after the test it is closed and must have left nothing. */
export async function startDocker(test: TestScope, pool: object, settings: object = {}): Promise<DockerService> {
  const instance = newInstance();
  const live = await startLive("docker", { instance, pools: { default: pool }, ...settings });
  test.after(async () => {
    await live.close();
    assert.deepEqual(await containersOf(instance), [], "the server left containers behind");
  });
  return { ...live, instance };
}

/** Ids of an instance's containers, in whatever state they are. */
export async function containersOf(instance: string): Promise<string[]> {
  const filters = JSON.stringify({ label: [`${INSTANCE_LABEL}=${instance}`] });
  return (await docker.listContainers({ all: true, filters })).map(({ Id }) => Id);
}

export async function onlyContainerOf(instance: string): Promise<Docker.Container> {
  const [id, ...more] = await containersOf(instance);
  if (id === undefined || more.length > 0) throw new Error(`${instance} has ${more.length + (id ? 1 : 0)} containers`);
  return docker.getContainer(id);
}

/** For what a killed server left. */
export async function removeContainersOf(instance: string): Promise<void> {
  const left = await containersOf(instance);
  await Promise.all(left.map((id) => docker.getContainer(id).remove({ force: true, v: true })));
}

export interface Process {
  readonly pid: number;
  readonly args: string;
}

/** Every process of a container, as the host sees it: `docker top`. */
export async function processesOf(container: Docker.Container): Promise<Process[]> {
  const { Processes }: { Processes: string[][] } = await container.top({ ps_args: "-eo pid,args" });
  return Processes.map(([pid, ...args]) => ({ pid: Number(pid), args: args.join(" ") }));
}

export async function countProcesses(container: Docker.Container, pattern: RegExp): Promise<number> {
  return (await processesOf(container)).filter(({ args }) => pattern.test(args)).length;
}

/** As root beside the runner, outside every slot; resolves with what it printed. */
export async function runBeside(container: Docker.Container, ...command: string[]): Promise<string> {
  const exec = await container.exec({ Cmd: command, AttachStdout: true, AttachStderr: true, Tty: true });
  const printed = await buffer(await exec.start({ Tty: true }));
  return printed.toString("utf8").replaceAll("\r", "");
}

const EVENTUALLY_MS = 20_000;

/** For what has no event to wait for: looks again until `probe` gives something true; fails when it never does. */
export async function eventually<T>(what: string, probe: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + EVENTUALLY_MS; ; await pause(20)) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`did not happen within ${EVENTUALLY_MS} ms: ${what}`);
  }
}

export interface ContainerEvent {
  readonly action: string;
  readonly id: string;
}

/** The daemon's own account of an instance's containers, from now on. */
export class ContainerWatch {
  readonly events: ContainerEvent[] = [];
  #onEvent: () => void = () => undefined;

  private constructor(private readonly stream: NodeJS.ReadableStream) {
    createInterface({ input: stream }).on("line", (line) => {
      const { Action: action, id }: { Action: string; id: string } = JSON.parse(line);
      this.events.push({ action, id });
      this.#onEvent();
    });
  }

  static async of(test: TestScope, instance: string): Promise<ContainerWatch> {
    const filters = JSON.stringify({ type: ["container"], label: [`${INSTANCE_LABEL}=${instance}`] });
    const watch = new ContainerWatch(await docker.getEvents({ filters }));
    test.after(async () => {
      if ("destroy" in watch.stream && typeof watch.stream.destroy === "function") watch.stream.destroy();
    });
    return watch;
  }

  count(action: string): number {
    return this.events.filter((event) => event.action === action).length;
  }

  /** The most that existed at once, of those made since the watch began and `before`. */
  mostAtOnce(before: number): number {
    let now = before;
    let most = before;
    for (const { action } of this.events) {
      if (action === "create") now += 1;
      if (action === "destroy") now -= 1;
      most = Math.max(most, now);
    }
    return most;
  }

  /** One waiter at a time. */
  async until(done: (watch: ContainerWatch) => boolean): Promise<void> {
    while (!done(this)) {
      await new Promise<void>((resolve) => {
        this.#onEvent = resolve;
      });
    }
  }
}
