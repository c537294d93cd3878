// Opens and closes streams in great numbers, each with a trajectory of its own, against a server in this process, and says
// what that left behind.
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ownService } from "./checked-trajectory.js";
import { startLive } from "./live-service.js";
import { TrajectoryClient } from "./trajectory-client.js";

const CONNECTIONS = 4;
/** Of all connections; each takes 500. */
const AT_ONCE = 200;
/** nghttp2 closes a connection whose client resets more than 33 streams a second, once it has reset 1,000. */
const CUT_EVERY = 50;

export interface Leftovers {
  readonly streams: number;
  readonly heapMib: number;
  readonly descriptors: number;
}

/** Figures before, at each `every` streams, and after; streams end by half-close, by release, and some by a cut. */
export async function churnStreams(
  count: number,
  every: number,
  report: (figures: Leftovers) => void,
): Promise<{ before: Leftovers; after: Leftovers }> {
  // A trajectory of a stream that was cut ends with its lease.
  const live = await startLive("process", { lease: { default_s: 0 }, pools: { default: { max_containers: 1 } } });
  try {
    const services = Array.from({ length: CONNECTIONS }, () => ownService(live.address));
    const openOne = async (at: number) => {
      const service = services[at % CONNECTIONS];
      if (!service) throw new Error("no connection");
      const stream = await TrajectoryClient.open(service, { trajectoryId: `t${at}` });
      if (at % CUT_EVERY === 0) await stream.cut();
      else if (at % 2 === 1) await stream.halfClose();
      else {
        stream.send({ $case: "release", value: { resetWorkspace: false } });
        await stream.ended;
      }
    };
    let opened = 0;
    const openMany = async (until: number) => {
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          while (opened < until) await openOne(opened++);
        }),
      );
    };
    // Caches, connections and compiled code are not leaks.
    await openMany(AT_ONCE * 10);
    const first = opened;
    const before = await leftovers(0);
    report(before);
    let after = before;
    for (let done = 0; done < count; ) {
      done = Math.min(count, done + every);
      await openMany(first + done);
      after = await leftovers(done);
      report(after);
    }
    for (const service of services) service.close();
    return { before, after };
  } finally {
    await live.close();
  }
}

async function leftovers(streams: number): Promise<Leftovers> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  // What has just ended is let go of in the turns after.
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise(setImmediate);
    collect();
  }
  const descriptors = readdirSync("/proc/self/fd").length;
  return { streams, heapMib: process.memoryUsage().heapUsed / 2 ** 20, descriptors };
}
