// What a trainer feels: 64 agents that think for a second, mostly run short commands, and now and then a long one. A round must be
// long beside the longest command, so there are few. How often that one is drawn moves a run's calls per second by several per
// cent; the share of the ideal is therefore made of what calls took beyond their commands, which no luck of the draw moves.
import { AGENTS, agentFlags, CYCLE_MS, driveAgents, IDEAL_RATE, overheadMs } from "../agents.js";
import { mean, median } from "../figures.js";
import { startReference } from "../rivals/reference/reference.js";
import type { Row } from "../row.js";
import { inTurns, milliseconds, perSecond } from "../turns.js";

const ROUNDS_MAX = 3;
const COUNTED_S = 20;
const WARM_UP_S = 2;

export const row: Row = {
  name: "agent-mix",
  measure:
    "agent-like mix (64 trajectories, think time exponential with mean 1 s; 90% `true`, 9% `sleep 0.5`, 1% `sleep 10`): " +
    "calls/s against the ideal",
  aim: { unit: "", atLeast: 0.98 },
  async measured(bench) {
    const server = await bench.server();
    const reference = await startReference({ slots: AGENTS, sandboxed: true, signal: bench.signal });
    const [overheads, waits]: [number[], number[]] = [[], []];
    try {
      const turns = await inTurns(
        { rounds: Math.min(bench.rounds, ROUNDS_MAX), signal: bench.signal },
        {
          ours: async () => {
            const { total } = await bench.load(server, agentFlags(WARM_UP_S, COUNTED_S));
            overheads.push(overheadMs(total));
            return total.rate;
          },
          against: async () => {
            const driven = await driveAgents(reference, WARM_UP_S, COUNTED_S);
            waits.push(mean(driven.latencies[0] ?? []));
            return driven.rate;
          },
        },
      );
      const rounds = overheads.map((ms) => CYCLE_MS / (CYCLE_MS + ms));
      const referenceRate = mean(turns.map(({ against }) => against));
      return {
        value: median(rounds),
        rounds,
        ours: perSecond(median(rounds) * IDEAL_RATE),
        against: perSecond(IDEAL_RATE),
        details: [
          ["calls/s as counted, with the luck of the draw", perSecond(mean(turns.map(({ ours }) => ours)))],
          ["what a call took beyond its command", milliseconds(median(overheads))],
          ["the reference's calls/s", perSecond(referenceRate)],
          ["the reference's share of the ideal", (referenceRate / IDEAL_RATE).toFixed(2)],
          ["the reference's mean time for a `true`", milliseconds(mean(waits))],
        ],
      };
    } finally {
      await reference.close();
    }
  },
};
