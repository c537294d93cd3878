// What may grow. Each dimension leaves all else as it is, and begins with the smallest, so that nothing has to end before the next.
import type { Server } from "../../server.js";
import type { Bench } from "../row.js";
import { startNullService } from "../start-null-service.js";
import { type Dimension, type Point, pointOf } from "./dimension.js";

const RESULT_BYTES_KEPT = 200_000;
const ARGUMENT_BYTES_MAX = 700_000;
/** So that frames are known to V8, in each new client. */
const WARM_UP = ["--warm-up", "2s"];

/** One load at each, against one server; the first is repeated, since the first run of all warms the server up. */
async function against(
  bench: Bench,
  server: Server,
  values: readonly number[],
  flags: (value: number) => readonly string[],
): Promise<readonly Point[]> {
  const [first = 0] = values;
  const at = async (value: number) => {
    bench.signal.throwIfAborted();
    return pointOf(value, await bench.load(server, [...WARM_UP, ...bench.duration, ...flags(value)]));
  };
  try {
    await at(first);
    const points: Point[] = [];
    for (const value of values) points.push(await at(value));
    return points;
  } finally {
    await server.stop();
  }
}

/** Trajectories that think, so that the same share of them has a call under way however many there are. */
const THINKING = ["--think", "exp:2s", "--open-timeout", "180s", "--timeout", "60s"];

function pool(slots: number, containers: number, min: number) {
  const sizes = { slots_per_container: slots, min_containers: min, max_containers: containers };
  return { default: { ...sizes, isolation: "namespace", pids: 16 * slots, memory_mb: Math.max(2048, 64 * slots) } };
}

const streams: Dimension = {
  name: "streams",
  title: "Streams that all make calls, against a backend that answers at once",
  axis: "streams",
  unit: "count",
  exponent: 0,
  charged: ["server"],
  shown: ["client", "server"],
  async measured(bench) {
    const values = [16, 64, 256, 1024, 4096];
    return against(bench, await startNullService(bench, 4096), values, (value) => ["--streams", `${value}`]);
  },
};

const waiting: Dimension = {
  name: "waiting",
  title: "Trajectories at once, of which all but 16 wait for a slot: opened, one call, released",
  axis: "trajectories",
  unit: "count",
  exponent: 0,
  charged: ["server"],
  shown: ["client", "server"],
  async measured(bench) {
    const flags = (value: number) => ["--churn", "--streams", `${value}`, "--open-timeout", "60s"];
    return against(bench, await startNullService(bench, 16), [16, 64, 256, 1016, 2016], flags);
  },
};

const slots: Dimension = {
  name: "slots",
  title: "Slots, each with a trajectory that makes a call every two seconds",
  axis: "slots",
  unit: "count",
  exponent: 0,
  charged: ["server", "runners"],
  shown: ["client", "server", "runners", "slots"],
  async measured(bench) {
    const server = await bench.startServer({ shutdown: { grace_s: 1 }, pools: pool(100, 10, 1) });
    return against(bench, server, [10, 30, 100, 300, 1000], (value) => ["--streams", `${value}`, ...THINKING]);
  },
};

const containers: Dimension = {
  name: "containers",
  title: "Containers that 60 slots are spread over, all busy",
  axis: "containers",
  unit: "count",
  exponent: 0,
  charged: ["server", "runners"],
  shown: ["client", "server", "runners", "slots"],
  async measured(bench) {
    const points: Point[] = [];
    for (const count of [1, 3, 10]) {
      const server = await bench.startServer({ shutdown: { grace_s: 1 }, pools: pool(60 / count, count, count) });
      // Each runner has a tenth of the calls then, and V8 as much to compile in each.
      points.push(...(await against(bench, server, [count], () => ["--streams", "60", "--warm-up", "15s"])));
    }
    return points;
  },
};

const SIZES = [1_000, 8_000, 64_000, 512_000];

const output: Dimension = {
  name: "output",
  title: "Bytes that a command writes, streamed to the client as they come",
  axis: "output of a call",
  unit: "bytes",
  exponent: 1,
  charged: ["server", "runners"],
  shown: ["client", "server", "runners", "slots"],
  async measured(bench) {
    const server = await bench.startServer({ output: { chars_max: RESULT_BYTES_KEPT }, pools: pool(8, 1, 1) });
    const flags = (value: number) => ["--streams", "8", "--stream-output", "--mix", `1:output:${value}`];
    return against(bench, server, [...SIZES, 1_048_576], flags);
  },
};

const argument: Dimension = {
  name: "arguments",
  title: "Bytes of a call's arguments, written to a file",
  axis: "arguments of a call",
  unit: "bytes",
  exponent: 1,
  charged: ["server", "runners"],
  shown: ["client", "server", "runners", "slots"],
  async measured(bench) {
    const server = await bench.startServer({ files: { bytes_max: ARGUMENT_BYTES_MAX }, pools: pool(8, 1, 1) });
    return against(bench, server, SIZES, (value) => ["--streams", "8", "--mix", `1:write_file:${value}`]);
  },
};

export const DIMENSIONS: readonly Dimension[] = [streams, waiting, slots, containers, output, argument];
