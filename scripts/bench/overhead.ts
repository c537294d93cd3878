// What the load harness itself takes of a call, and so is in every latency that it tells: against its null target, which answers at
// once. grpc-js on both ends is in it.

import type { Bench, Measured } from "./row.js";
import { milliseconds, perSecond } from "./turns.js";

const NOBODY = { address: "127.0.0.1:1", pid: process.pid };

export async function harnessOverhead(bench: Bench, streams: number): Promise<NonNullable<Measured["details"]>> {
  const alone = (count: number) =>
    bench.load(NOBODY, ["--null", "--streams", `${count}`, "--warm-up", "2s", ...bench.duration]);
  const [one, many] = [await alone(1), await alone(streams)];
  return [
    ["the harness alone, one call at a time, p50", milliseconds(one.total.latency.p50)],
    [`the harness alone, ${streams} trajectories`, perSecond(many.total.rate)],
    ["its processor time per call", `${(many.cpuPerResultUs.client ?? Number.NaN).toFixed(0)} µs`],
  ];
}
