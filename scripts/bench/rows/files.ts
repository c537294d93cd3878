// The file tools of an idle system, against the reference's at its defaults. The value is that of the tool that gains less.
import { median } from "../figures.js";
import { LoneAgent } from "../lone-agent.js";
import { drive } from "../rivals/reference/drive.js";
import { type Reference, startReference } from "../rivals/reference/reference.js";
import type { Bench, Row } from "../row.js";
import { comparison, inTurns, meanTurns, milliseconds, type Turn } from "../turns.js";

const KIB = 64;
/** In each round: what takes a millisecond is moved more by the machine than what waits for its window. */
const TURNS = 3;
const TOOLS = ["read_file", "write_file"] as const;
const MIX = TOOLS.map((tool) => `1:${tool}:${KIB}KiB`).join(",");
const CONTENT = "x".repeat(KIB * 1024);
const REFERENCE_MIX = [
  { tool: "read_file", args: { path: "read" }, weight: 50 },
  { tool: "write_file", args: { path: "write", content: CONTENT }, weight: 50 },
] as const;

/** Milliseconds, p50, of each of TOOLS. */
type Times = readonly number[];

export const row: Row = {
  name: "files",
  measure: `\`read_file\` and \`write_file\` of ${KIB} KiB, p50, against the reference's at its defaults; of the two that which gains less`,
  aim: { unit: "× lower", atLeast: 15 },
  async measured(bench) {
    const turns = await measure(bench);
    const tools = TOOLS.map((tool, at) => {
      const its = turns.map(({ ours, against }) => ({ ours: timeAt(ours, at), against: timeAt(against, at) }));
      return { tool, ...comparison(meanTurns(its, TURNS), (turn) => turn.against / turn.ours, milliseconds) };
    });
    const rounds = Array.from({ length: bench.rounds }, (_, round) =>
      Math.min(...tools.map((tool) => timeAt(tool.rounds, round))),
    );
    return {
      value: median(rounds),
      rounds,
      ours: tools.map(({ ours }) => ours).join(", "),
      against: tools.map(({ against }) => against).join(", "),
      details: tools.map(({ tool, value }) => [tool, `${value.toFixed(1)}× lower`]),
    };
  },
};

async function measure(bench: Bench): Promise<readonly Turn<Times>[]> {
  const reference = await startReference({ slots: 1, sandboxed: true, signal: bench.signal });
  try {
    const { success, error } = await reference.call("agent-0", "write_file", { path: "read", content: CONTENT });
    if (!success) throw new Error(`the reference's write_file: ${error}`);
    return await measureAgainst(bench, reference);
  } finally {
    await reference.close();
  }
}

async function measureAgainst(bench: Bench, reference: Reference): Promise<readonly Turn<Times>[]> {
  const { rounds, seconds } = bench;
  const agent = await LoneAgent.start(bench, MIX);
  try {
    const driven = { trajectories: 1, warmUpMs: 0, countedMs: seconds * 1_000, mix: REFERENCE_MIX };
    return await inTurns<Turn<Times>>(bench, rounds * TURNS, {
      ours: async () => (await agent.times(seconds)).map(({ latency }) => latency),
      against: async () => (await drive(reference, driven)).latencies.map(median),
    });
  } finally {
    agent.stop();
  }
}

function timeAt(times: readonly number[], at: number): number {
  return times[at] ?? Number.NaN;
}
