// `npm run bench:streams [-- --streams N]`: opens and closes 200,000 streams and prints heap and file descriptors, before,
// on the way, and after. Server and clients share this process. Exit code 0 only if both are back where they began.
import { parseArgs } from "node:util";
import { churnStreams } from "../../test/support/stream-churn.js";
import { table } from "./figures.js";

/** What the heap may be off by, in MiB. */
const NOISE_MIB = 8;
const STEPS = 10;

const { values } = parseArgs({ options: { streams: { type: "string", default: "200000" } } });
const count = Number(values.streams);
if (!Number.isInteger(count) || count < 1) throw new Error(`--streams ${values.streams} is no number of streams`);

const beganMs = performance.now();
const rows: string[][] = [["streams", "heap MiB", "descriptors", "seconds"]];
const { before, after } = await churnStreams(count, Math.ceil(count / STEPS), ({ streams, heapMib, descriptors }) => {
  const tookS = (performance.now() - beganMs) / 1000;
  rows.push([`${streams}`, heapMib.toFixed(1), `${descriptors}`, tookS.toFixed(0)]);
});
console.log(table(rows));
const grownMib = after.heapMib - before.heapMib;
const isBack = grownMib < NOISE_MIB && after.descriptors <= before.descriptors;
console.log(
  `heap ${grownMib >= 0 ? "+" : ""}${grownMib.toFixed(1)} MiB, descriptors ${after.descriptors - before.descriptors}`,
);
console.log(isBack ? "back to the start" : "NOT back to the start");
process.exit(isBack ? 0 : 1);
