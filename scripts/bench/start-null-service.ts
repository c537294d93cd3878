// The server with the null backend as rows measure it, and the rival of its control plane.
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { stringify } from "yaml";
import { Server } from "../server.js";
import type { Bench } from "./row.js";

const HERE = dirname(fileURLToPath(import.meta.url));
const SERVICE = join(HERE, "null-service.ts");
/** As `switchyard bench` runs it. */
const BUILT = join(dirname(dirname(HERE)), "dist/src/load/null-target.js");
const SLOTS_PER_CONTAINER = 250;
/** The signal at which the server collects its garbage, and what it then says in its log. */
export const COLLECT = "SIGUSR2";
export const COLLECTED = "garbage collected";

/** With room for so many trajectories. Its row stops it. */
export function startNullService(bench: Pick<Bench, "folder" | "signal">, slots: number): Promise<Server> {
  const containers = Math.ceil(slots / SLOTS_PER_CONTAINER);
  const slots_per_container = Math.min(slots, SLOTS_PER_CONTAINER);
  const pool = { slots_per_container, min_containers: containers, max_containers: containers };
  const file = join(bench.folder, `null-${slots}.yaml`);
  writeFileSync(file, stringify({ listen: "127.0.0.1:0", log: { level: "warn" }, pools: { default: pool } }));
  return Server.run(["--import", "tsx", SERVICE, file], bench.signal);
}

/** The rival: the load harness's null target, nothing but grpc-js. */
export async function startEcho(): Promise<Pick<Server, "address" | "pid" | "stop">> {
  const { startNullTarget }: typeof import("../../src/load/null-target.js") = await import(pathToFileURL(BUILT).href);
  const { target, pid = 0, end } = await startNullTarget();
  return { address: target.address, pid, stop: end };
}
