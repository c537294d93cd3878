// The rival that Docker itself offers for a new place for each trajectory: `docker run --rm` of the image that slots have.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { loadConfig } from "../../../src/config/load.js";
import type { Bench } from "../row.js";

/** At least so many are counted, however long they take. */
const RUNS_MIN = 3;

/** Containers per second, made, run to the end of `command` and removed, `workers` at a time until the time is over. */
export async function dockerRunRate(
  { seconds, signal }: Pick<Bench, "seconds" | "signal">,
  workers: number,
  command: readonly string[],
): Promise<number> {
  const image = loadConfig({ env: {}, flags: {} }).pools.default?.image ?? "";
  const [program = "", ...args] = command;
  const options = ["--rm", "--network", "none", "--log-driver", "none", "--entrypoint", program];
  const beganMs = performance.now();
  let [started, ended] = [0, 0];
  const worker = async () => {
    while (started < RUNS_MIN || performance.now() < beganMs + seconds * 1000) {
      started += 1;
      await promisify(execFile)("docker", ["run", ...options, image, ...args], { signal });
      ended += 1;
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return (ended * 1000) / (performance.now() - beganMs);
}
