// The faults of a chaos run, drawn from its seed: each kind at its own pace.
import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "../../src/load/random.js";
import { docker, processesOf } from "../support/docker-engine.js";
import type { Tally } from "./tally.js";
import type { World } from "./world.js";

interface Fault {
  readonly name: string;
  /** Seconds between two, on average. */
  readonly everyS: number;
  strike(world: World, random: Random, tally: Tally): Promise<void>;
}

const BUSY_MS_MAX = 20_000;

/** A kill proves nothing about calls if none runs. */
async function whileBusy(world: World, tally: Tally): Promise<boolean> {
  for (const deadline = performance.now() + BUSY_MS_MAX; performance.now() < deadline; await pause(20)) {
    if ((await world.running()) > 0) return true;
  }
  tally.count("kills left out, as no call ran");
  return false;
}

const FAULTS: readonly Fault[] = [
  {
    name: "connections cut",
    everyS: 1.5,
    async strike(world, random, tally) {
      const how = random.pick(["end", "reset"] as const);
      const { connections } = world.network;
      for (const connection of connections) connection.break(how);
      tally.count("connections cut", connections.length);
    },
  },
  {
    name: "server killed",
    everyS: 16,
    async strike(world, _random, tally) {
      if (!(await whileBusy(world, tally))) return;
      tally.serverKilled();
      await world.killServer();
    },
  },
  {
    name: "runner killed",
    everyS: 16,
    async strike(world, random, tally) {
      if (!(await whileBusy(world, tally))) return;
      const container = docker.getContainer(random.pick(await world.containers()));
      const how = random.pick(["docker kill", "kill -9", "docker pause"]);
      tally.runnerKilled();
      tally.count(how);
      if (how === "docker kill") await container.kill();
      else if (how === "docker pause") await container.pause();
      else {
        const runner = (await processesOf(container)).find(({ args }) => /node .*runner\.mjs/.test(args));
        if (runner) process.kill(runner.pid, "SIGKILL");
      }
    },
  },
  {
    name: "links cut",
    everyS: 7,
    async strike(world, _random, tally) {
      tally.count("rounds of links cut");
      world.engine.cutLinks();
    },
  },
  {
    name: "daemon out of reach",
    everyS: 40,
    async strike(world, random, tally) {
      tally.count("daemon out of reach");
      world.engine.goAway();
      await pause(random.whole(100, 2_000));
      world.engine.comeBack();
    },
  },
  {
    name: "server stopped",
    everyS: 30,
    async strike(world, random, tally) {
      tally.count("server stopped for a while");
      const { pid } = world.server;
      process.kill(pid, "SIGSTOP");
      await pause(random.whole(100, 2_000));
      process.kill(pid, "SIGCONT");
    },
  },
  {
    name: "black hole",
    everyS: 25,
    async strike(world, random, tally) {
      tally.count("black holes");
      world.network.blackHole(random.pick([["up"], ["down"], ["up", "down"]] as const));
      await pause(random.whole(100, 3_000));
      world.network.heal();
    },
  },
  {
    name: "slow network",
    everyS: 20,
    async strike(world, random, tally) {
      tally.count("slow networks");
      world.network.set({ delay: { minMs: 0, maxMs: 50 }, slice: { bytesMax: random.whole(1, 200) } });
      await pause(random.whole(500, 3_000));
      world.network.heal();
    },
  },
];

/** Strikes until it is over: each kind in its own time, so that faults meet. */
export async function strike(world: World, random: Random, tally: Tally, over: () => boolean): Promise<void> {
  await Promise.all(FAULTS.map((fault) => strikeWith(fault, world, random, tally, over)));
}

async function strikeWith(
  fault: Fault,
  world: World,
  random: Random,
  tally: Tally,
  over: () => boolean,
): Promise<void> {
  for (;;) {
    for (const atMs = performance.now() + fault.everyS * 1000 * (0.5 + random.next()); performance.now() < atMs; ) {
      if (over()) return;
      await pause(50);
    }
    try {
      await fault.strike(world, random, tally);
    } catch (error) {
      // What the moment does not allow, such as a container that has just gone.
      tally.count(`could not: ${fault.name}: ${error instanceof Error ? error.message.slice(0, 60) : error}`);
    }
  }
}
