// `npm run bench:slow-reader [-- --backend docker|process]`: what a client that never reads costs the others. Fifty
// trajectories run `true` in a loop, in turns without and beside a stream whose client sends calls with large output and
// reads nothing. Exit code 0 only if the median p99 beside it is at most twice the one without.
import { setMaxListeners } from "node:events";
import { parseArgs } from "node:util";
import { credentials } from "@grpc/grpc-js";
import { SwitchyardClient, type Trajectory } from "../../src/client/index.js";
import { ToolCall } from "../../src/gen/switchyard/v1/call.js";
import { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { Open } from "../../src/gen/switchyard/v1/trajectory.js";
import { backendOf, Server } from "../server.js";
import { median, percentile, table } from "./figures.js";

const READERS = 50;
const ROUNDS = 5;
const ROUND_MS = 4_000;
const WARM_UP_MS = 2_000;
/** So many calls of 50,000 characters are well over what a ledger holds. */
const DEAF_CALLS = 400;
const DEAF_COMMAND = "head -c 50000 /dev/zero | tr '\\0' x";
const RATIO_MAX = 2;
const BENCH_MAX_MS = 180_000;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { backend: { type: "string", default: "auto" } } });
  const stop = AbortSignal.timeout(BENCH_MAX_MS);
  setMaxListeners(0, stop);
  const server = await Server.start(backendOf(values.backend), stop);
  const client = new SwitchyardClient(server.address);
  try {
    const readers = await Promise.all(
      Array.from({ length: READERS }, (_, at) =>
        client.open({ trajectoryId: `reader-${at}`, group: "bench", signal: stop }),
      ),
    );
    await measure(readers, WARM_UP_MS);
    return await rounds(server.address, readers);
  } finally {
    client.close();
    await server.stop();
  }
}

async function rounds(address: string, readers: readonly Trajectory[]): Promise<number> {
  const rows = [["", "calls/s", "p50 ms", "p99 ms", "calls/s beside", "p50 beside", "p99 beside"]];
  const figures: { without: readonly number[]; beside: readonly number[] }[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const without = await measure(readers, ROUND_MS);
    const closeDeaf = openDeaf(address, round);
    const beside = await measure(readers, ROUND_MS);
    closeDeaf();
    figures.push({ without, beside });
    rows.push([`round ${round}`, ...cells(without), ...cells(beside)]);
  }
  console.log(`${READERS} trajectories run \`true\`, ${ROUNDS} rounds of ${ROUND_MS / 1000} s each way\n`);
  console.log(table(rows));
  const p99 = (of: "without" | "beside") => median(figures.map((round) => percentile(round[of], 0.99)));
  const ratio = p99("beside") / p99("without");
  const within = ratio <= RATIO_MAX;
  console.log(`median p99: ${p99("without").toFixed(1)} ms without, ${p99("beside").toFixed(1)} ms beside`);
  console.log(`ratio ${ratio.toFixed(2)}, ${within ? "within" : "OVER"} ${RATIO_MAX}`);
  return within ? 0 : 1;
}

/** A stream of its own connection that nobody reads. */
function openDeaf(address: string, round: number): () => void {
  const service = new ToolExecutorServiceClient(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const stream = service.runTrajectory();
  stream.on("error", () => {});
  const open = Open.fromPartial({ trajectoryId: `deaf-${round}`, lease: { seconds: 1n, nanos: 0 } });
  stream.write({ frame: { $case: "open", value: open } });
  for (let at = 0; at < DEAF_CALLS; at += 1) {
    const value = ToolCall.fromPartial({ uniqId: `c${at}`, name: "bash", arguments: { command: DEAF_COMMAND } });
    stream.write({ frame: { $case: "call", value } });
  }
  return () => {
    stream.cancel();
    service.close();
  };
}

/** Milliseconds of each call: every reader runs `true` after `true` until the time is over. */
async function measure(readers: readonly Trajectory[], forMs: number): Promise<readonly number[]> {
  const beganMs = performance.now();
  const took: number[] = [];
  await Promise.all(
    readers.map(async (reader) => {
      while (performance.now() - beganMs < forMs) {
        const sentMs = performance.now();
        const { status, error } = await reader.call("bash", { command: "true" }, { timeoutS: 60 });
        if (status !== "OK") throw new Error(`true ended ${status}: ${error}`);
        took.push(performance.now() - sentMs);
      }
    }),
  );
  return took;
}

function cells(took: readonly number[]): string[] {
  const perS = took.length / (ROUND_MS / 1000);
  return [perS.toFixed(0), percentile(took, 0.5).toFixed(1), percentile(took, 0.99).toFixed(1)];
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
