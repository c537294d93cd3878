// A thousand trajectories that live at once, each in a slot of its own and each making calls. They wait for their slots together, so
// that the pool has to grow to all its containers.
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { INSTANCE_LABEL } from "../../../src/backend/docker/container-options.js";
import { dockerClient } from "../../../src/backend/docker/dockerode.js";
import { SwitchyardClient } from "../../../src/client/index.js";
import type { Report } from "../../../src/load/report.js";
import type { Server } from "../../server.js";
import { memoryOf } from "../memory.js";
import type { Measured, Row } from "../row.js";
import { milliseconds, perSecond } from "../turns.js";

const TRAJECTORIES = 1_000;
const SLOTS_PER_CONTAINER = 100;
const CONTAINERS = TRAJECTORIES / SLOTS_PER_CONTAINER;
/** Of a slot at work: the outer process, the launcher, the waiting child, a command; with room, as a runner has threads, too. */
const PIDS_PER_SLOT = 16;
const MB_PER_SLOT = 64;
const MB = 1e6;
/** A call of each in five seconds, which leaves the machine time for other things. */
const LOAD = ["--streams", `${TRAJECTORIES}`, "--think", "exp:5s", "--timeout", "120s", "--open-timeout", "240s"];
/** Long enough for the memory to be weighed before anything is counted. */
const TIMES = ["--warm-up", "8s", "--duration", "10s", "--drain", "60s"];
const LOOK_EVERY_MS = 500;

export const row: Row = {
  name: "thousand-slots",
  measure: "1,000 trajectories alive at once in 1,000 slots, each running calls: calls that succeed",
  aim: { unit: "", atLeast: 1 },
  isAlone: true,
  async measured(bench) {
    const instance = `bench-thousand-${process.pid}`;
    const server = await bench.startServer({ instance, shutdown: { grace_s: 1 }, pools: { default: POOL } });
    try {
      const beganMs = Date.now();
      const loading = bench.load(server, [...LOAD, ...TIMES]);
      const stop = new AbortController();
      const signal = AbortSignal.any([bench.signal, stop.signal]);
      const [report, memory] = await Promise.all([
        loading.finally(() => stop.abort(new Error("the load ended before all slots were leased"))),
        memoryOnceLeased(server, instance, signal),
      ]);
      return measuredOf(report, memory, (Date.parse(report.beganAt) - beganMs) / 1000);
    } finally {
      await server.stop();
    }
  },
};

const POOL = {
  slots_per_container: SLOTS_PER_CONTAINER,
  min_containers: 1,
  max_containers: CONTAINERS,
  isolation: "namespace",
  pids: SLOTS_PER_CONTAINER * PIDS_PER_SLOT,
  memory_mb: SLOTS_PER_CONTAINER * MB_PER_SLOT,
};

function measuredOf(report: Report, memory: Memory, readyS: number): Measured {
  const { total, rows, errorSum } = report;
  const ended = Object.values(total.statuses).reduce((sum, count) => sum + count, 0) + errorSum;
  const share = (total.statuses["OK/NONE"] ?? 0) / ended;
  const mb = (bytes: number) => `${(bytes / MB).toFixed(2)} MB`;
  const alive = Math.min(...rows.filter(({ counted }) => counted).map(({ streams }) => streams));
  return {
    value: share,
    rounds: [share],
    ours: `${total.results} calls, ${perSecond(total.rate)}`,
    against: "",
    details: [
      ["trajectories alive at once, at least", `${alive}`],
      ["until each had its slot and its first result", `${readyS.toFixed(0)} s`],
      ["latency, p50", milliseconds(total.latency.p50)],
      ["latency, p99", milliseconds(total.latency.p99)],
      ["memory of a slot, PSS and its part of the kernel's", mb(memory.slots / TRAJECTORIES)],
      ["memory of its part of a runner", mb(memory.runners / TRAJECTORIES)],
      ["memory of the server, resident, for each trajectory", mb(memory.server / TRAJECTORIES)],
    ],
  };
}

/** In bytes, of all. */
interface Memory {
  readonly slots: number;
  readonly runners: number;
  readonly server: number;
}

async function memoryOnceLeased(server: Server, instance: string, signal: AbortSignal): Promise<Memory> {
  await allLeased(server.address, signal);
  const filters = { label: [`${INSTANCE_LABEL}=${instance}`] };
  const costs = (await dockerClient().listContainers({ filters })).map(({ Id }) => memoryOf(Id));
  return {
    slots: costs.reduce((sum, { slots, kernel }) => sum + slots + kernel, 0),
    runners: costs.reduce((sum, { runner }) => sum + runner, 0),
    server: Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]) * 1024,
  };
}

async function allLeased(address: string, signal: AbortSignal): Promise<void> {
  const client = new SwitchyardClient(address);
  try {
    for (;;) {
      const { pools } = await client.status();
      if (pools.reduce((sum, { slotsLeased }) => sum + slotsLeased, 0) >= TRAJECTORIES) return;
      await setTimeout(LOOK_EVERY_MS, undefined, { signal });
    }
  } finally {
    client.close();
  }
}
