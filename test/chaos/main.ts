// `npm run test:chaos [-- --seed N --minutes M]`: a random schedule of all faults under thousands of calls, on Docker. Prints
// its seed, what happened, and a verdict; exit code 0 only if nothing was lost and nothing ran twice.
import { parseArgs } from "node:util";
import { Random } from "../../src/load/random.js";
import { strike } from "./faults.js";
import { Tally } from "./tally.js";
import { lane } from "./traffic.js";
import { World } from "./world.js";

const LANES = 24;
/** What the last calls may take when no fault strikes any more; after it they hang, which is a failure. */
const SETTLE_MS_MAX = 180_000;
const PROBLEMS_SHOWN = 40;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { seed: { type: "string" }, minutes: { type: "string", default: "1" } },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  const minutes = Number(values.minutes);
  if (!Number.isInteger(seed) || !(minutes > 0))
    throw new Error("--seed takes a whole number, --minutes a positive one");
  console.log(`chaos: seed ${seed}, ${minutes} minutes, ${LANES} trajectories at a time`);

  const tally = new Tally();
  const world = await World.start(seed);
  const endMs = performance.now() + minutes * 60_000;
  const over = () => performance.now() >= endMs;
  const progress = setInterval(() => console.log(`chaos: ${tally.of("calls")} calls`), 30_000);
  const striking = strike(world, new Random(seed), tally, over);
  const lanes = Array.from({ length: LANES }, (_, index) =>
    lane(index, { client: world.client, random: new Random(seed + 1 + index), tally, over }).catch((error: unknown) =>
      tally.wrong(`lane ${index} failed: ${error instanceof Error ? error.stack : error}`),
    ),
  );
  await striking;
  const settled = await Promise.race([Promise.all(lanes), late()]);
  if (settled === "late") tally.wrong(`calls hang ${SETTLE_MS_MAX / 1000} s after the last fault`);
  clearInterval(progress);
  const { code, stderr, left } = await world.end();
  if (code !== 0) tally.wrong(`the server ended with ${code}: ${stderr.slice(-2000)}`);
  tally.count("starts of the server that failed", world.failedStarts);
  if (left.length > 0) tally.wrong(`${left.length} containers are left`);
  return verdict(tally, seed);
}

function late(): Promise<"late"> {
  return new Promise((resolve) => setTimeout(() => resolve("late"), SETTLE_MS_MAX).unref());
}

function verdict({ counts, problems }: Tally, seed: number): number {
  for (const [what, count] of [...counts].sort(([a], [b]) => a.localeCompare(b)))
    console.log(`${String(count).padStart(8)}  ${what}`);
  for (const problem of problems.slice(0, PROBLEMS_SHOWN)) console.log(`WRONG: ${problem}`);
  console.log(
    `chaos: seed ${seed}: ${problems.length === 0 ? "every promise was kept" : `${problems.length} PROBLEMS`}`,
  );
  return problems.length === 0 ? 0 : 1;
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`chaos: ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(1);
}
