// The file tools of an idle system, against the reference's at its defaults. The value is that of the tool that gains less.
import { median } from "../figures.js";
import { type DrivenCall, drive } from "../rivals/reference/drive.js";
import { startReference } from "../rivals/reference/reference.js";
import type { Measured, Row } from "../row.js";
import { inTurns, milliseconds, type Turn } from "../turns.js";

const KIB = 64;
const TOOLS = ["read_file", "write_file"] as const;
const MIX = TOOLS.map((tool) => `1:${tool}:${KIB}KiB`).join(",");

/** Until the client is compiled, as in idle.ts. */
const WARM_UP = ["--warm-up", "5s"];
/** Longer than usual: what takes a millisecond is moved more by the machine than what waits for its window. */
const COUNTED_S = 3;
const CONTENT = "x".repeat(KIB * 1024);
const REFERENCE_MIX: readonly DrivenCall[] = [
  { tool: "read_file", args: { path: "read" }, weight: 50 },
  { tool: "write_file", args: { path: "write", content: CONTENT }, weight: 50 },
];

/** Milliseconds, p50, of each of TOOLS. */
type Times = readonly [read: number, write: number];

export const row: Row = {
  name: "files",
  measure: `\`read_file\` and \`write_file\` of ${KIB} KiB, p50, against the reference's at its defaults; of the two that which gains less`,
  aim: { unit: "× lower", atLeast: 15 },
  async measured(bench) {
    const server = await bench.server();
    const reference = await startReference({ slots: 1, sandboxed: true, signal: bench.signal });
    try {
      const { success, error } = await reference.call("agent-0", "write_file", { path: "read", content: CONTENT });
      if (!success) throw new Error(`the reference's write_file: ${error}`);
      const turns = await inTurns<Times>(bench, {
        ours: async () => {
          const { total } = await bench.load(server, [
            "--streams",
            "1",
            "--mix",
            MIX,
            ...WARM_UP,
            "--duration",
            `${COUNTED_S}s`,
          ]);
          return timesOf(total.items.map(({ latency }) => latency.p50));
        },
        against: async () => {
          const times = { warmUpMs: 500, countedMs: COUNTED_S * 1_000 };
          const { latencies } = await drive(reference, { trajectories: 1, ...times, mix: REFERENCE_MIX });
          return timesOf(latencies.map((each) => median(each)));
        },
      });
      return figuresOf(turns);
    } finally {
      await reference.close();
    }
  },
};

function timesOf([read = Number.NaN, write = Number.NaN]: readonly number[]): Times {
  return [read, write];
}

function figuresOf(turns: readonly Turn<Times>[]): Measured {
  const gains = turns.map(({ ours, against }) => [against[0] / ours[0], against[1] / ours[1]] as const);
  const rounds = gains.map((gain) => Math.min(...gain));
  const both = (side: "ours" | "against") =>
    ([0, 1] as const).map((tool) => milliseconds(median(turns.map((turn) => turn[side][tool])))).join(", ");
  return {
    value: median(rounds),
    rounds,
    ours: both("ours"),
    against: both("against"),
    details: ([0, 1] as const).map((tool) => [
      TOOLS[tool],
      `${median(gains.map((gain) => gain[tool])).toFixed(1)}× lower`,
    ]),
  };
}
