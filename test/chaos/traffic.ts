// The calls of a chaos run: trajectories that live for some dozens of calls, one after another in each lane, and leave a
// mark in their workspace for each.
import type { SwitchyardClient, ToolResult, Trajectory } from "../../src/client/index.js";
import type { Random } from "../../src/load/random.js";
import { markedCommand, READ_MARKS } from "../support/fault-checker.js";
import type { Seen, Tally } from "./tally.js";

const LEASE_S = 900;
const CALL_TIMEOUT_S = 60;

export interface TrafficOptions {
  readonly client: SwitchyardClient;
  readonly random: Random;
  readonly tally: Tally;
  /** No new trajectory begins, and no new call of one. */
  readonly over: () => boolean;
}

/** Runs trajectories until it is over; resolves when the last of them was judged. */
export async function lane(index: number, options: TrafficOptions): Promise<void> {
  for (let round = 0; !options.over(); round += 1) await live(`lane${index}-${round}`, options);
}

async function live(name: string, options: TrafficOptions): Promise<void> {
  const { client, random, tally } = options;
  const trajectory = await client.open({ trajectoryId: name, leaseS: LEASE_S, group: `g${random.whole(0, 3)}` });
  tally.count("trajectories");
  const seen: Seen[] = [];
  const calls = random.whole(10, 60);
  for (let at = 0; at < calls && !options.over(); ) {
    // Sometimes several at once: all but the first wait behind it.
    const together = random.chance(0.2) ? random.whole(2, 4) : 1;
    const bodies = Array.from({ length: together }, () => body(random));
    seen.push(...(await Promise.all(bodies.map((text, nth) => call(trajectory, `c${at + nth}`, text)))));
    at += together;
  }
  for (const it of seen) tally.judge(name, it);
  await compareMarks(name, trajectory, seen, tally);
  await trajectory.release();
}

async function call(trajectory: Trajectory, uniqId: string, text: string): Promise<Seen> {
  const { incarnation, slotGeneration } = trajectory;
  const sentMs = performance.now();
  const command = markedCommand(uniqId, text);
  const result = await trajectory.call("bash", { command }, { uniqId, timeoutS: CALL_TIMEOUT_S });
  return { result, sentMs, endedMs: performance.now(), incarnation, hadSlot: slotGeneration > 0 };
}

/** The file tells of the slot that it is in; one that was lost took its file with it. */
async function compareMarks(name: string, trajectory: Trajectory, seen: readonly Seen[], tally: Tally): Promise<void> {
  let audit: ToolResult;
  let incarnation: string;
  let attempt = 0;
  do {
    ({ incarnation } = trajectory);
    audit = await trajectory.call(
      "bash",
      { command: READ_MARKS },
      { uniqId: `audit${attempt}`, timeoutS: CALL_TIMEOUT_S },
    );
    attempt += 1;
  } while (audit.status !== "OK" || trajectory.incarnation !== incarnation);
  const ofSlot = seen.filter(
    (it) => it.incarnation === incarnation && !it.result.local && it.result.slotGeneration === audit.slotGeneration,
  );
  const marks = audit.output.split("\n").filter(Boolean);
  tally.judgeMarks(name, ofSlot, marks);
}

function body(random: Random): string {
  const kind = random.next();
  if (kind < 0.1) return "true";
  if (kind < 0.85) return `sleep 0.${String(random.whole(1, 40)).padStart(2, "0")}`;
  if (kind < 0.95) return `sleep 0.1; head -c ${random.whole(1, 200_000)} /dev/zero | tr '\\0' x`;
  return `sleep ${random.whole(1, 3)}`;
}
