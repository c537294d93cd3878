// The server with the null backend as rows measure it, and the rival of its control plane.
import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import type { FromNull } from "../../src/load/messages.js";
import { Server } from "../server.js";
import type { Bench } from "./row.js";

const HERE = dirname(fileURLToPath(import.meta.url));
const SERVICE = join(HERE, "null-service.ts");
const ECHO = join(dirname(dirname(HERE)), "dist/src/load/null-main.js");
const SLOTS_PER_CONTAINER = 250;
/** The signal at which the server collects its garbage, and what it then says in its log. */
export const COLLECT = "SIGUSR2";
export const COLLECTED = "garbage collected";

/** With room for so many trajectories. Its row stops it. */
export function startNullServer(bench: Pick<Bench, "folder" | "signal">, slots: number): Promise<Server> {
  const containers = Math.ceil(slots / SLOTS_PER_CONTAINER);
  const slots_per_container = Math.min(slots, SLOTS_PER_CONTAINER);
  const pool = { slots_per_container, min_containers: containers, max_containers: containers };
  const file = join(bench.folder, `null-${slots}.yaml`);
  writeFileSync(file, stringify({ listen: "127.0.0.1:0", log: { level: "warn" }, pools: { default: pool } }));
  return Server.run(["--import", "tsx", SERVICE, file], bench.signal);
}

export interface Echo extends Pick<Server, "address" | "pid"> {
  stop(): Promise<void>;
}

/** Nothing but grpc-js: answers each call of the harness at once, with a result made beforehand. */
export async function startEcho(): Promise<Echo> {
  const child = fork(ECHO, { serialization: "advanced", execArgv: [] });
  const exited = once(child, "exit");
  const port = await Promise.race([
    new Promise<number>((resolve) => child.once("message", ({ port }: FromNull) => resolve(port))),
    exited.then(() => {
      throw new Error("the echo server ended before it listened");
    }),
  ]);
  return {
    address: `127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
