// What a trainer feels: 64 agents that think for a second, mostly run short commands, and now and then a long one. A round must be
// longer than the longest command, so there are few. How often that one is drawn moves a run's calls per second by several per
// cent; the share of the ideal is therefore made of what calls took beyond their commands, which no luck of the draw moves.
import type { Report } from "../../../src/load/report.js";
import { agentFlags, agentsOnReference, CYCLE_MS, IDEAL_RATE, overheadMs } from "../agents.js";
import { mean, median } from "../figures.js";
import type { Row } from "../row.js";
import { inTurns, milliseconds, perSecond } from "../turns.js";

const ROUNDS_MAX = 3;
const COUNTED_S = 12;
const WARM_UP_S = 2;

export const row: Row = {
  name: "agent-mix",
  measure:
    "agent-like mix (64 trajectories, think time exponential with mean 1 s; 90% `true`, 9% `sleep 0.5`, 1% `sleep 10`): " +
    "calls/s against the ideal",
  aim: { unit: "", atLeast: 0.98 },
  async measured(bench) {
    const server = await bench.server();
    const turns = await inTurns<{ readonly ours: Report }>(bench, Math.min(bench.rounds, ROUNDS_MAX), {
      ours: () => bench.load(server, agentFlags(WARM_UP_S, COUNTED_S)),
    });
    const overheads = turns.map(({ ours }) => overheadMs(ours.total));
    const rates = turns.map(({ ours }) => ours.total.rate);
    const reference = await agentsOnReference(bench);
    const rounds = overheads.map((ms) => CYCLE_MS / (CYCLE_MS + ms));
    return {
      value: median(rounds),
      rounds,
      ours: perSecond(median(rounds) * IDEAL_RATE),
      against: perSecond(IDEAL_RATE),
      details: [
        ["calls/s as counted, with the luck of the draw", perSecond(mean(rates))],
        ["what a call took beyond its command", milliseconds(median(overheads))],
        ["the reference's calls/s", perSecond(reference.rate)],
        ["the reference's share of the ideal", (reference.rate / IDEAL_RATE).toFixed(2)],
        ["the reference's mean time for a `true`", milliseconds(mean(reference.latencies[0] ?? []))],
      ],
    };
  },
};
