// The null target in a process of its own, as a target of a run.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { SwitchyardError } from "../core/errors.js";
import type { FromNull } from "./messages.js";
import type { Target } from "./plan.js";

const PROGRAM = fileURLToPath(new URL("./null-main.js", import.meta.url));

export interface NullTarget {
  readonly target: Target;
  readonly pid: number | undefined;
  end(): Promise<void>;
}

export async function startNullTarget(): Promise<NullTarget> {
  const child = fork(PROGRAM, { serialization: "advanced" });
  const exited = once(child, "exit");
  const listening = new Promise<number>((resolve) => {
    child.once("message", ({ port }: FromNull) => resolve(port));
  });
  const port = await Promise.race([listening, exited.then(() => undefined)]);
  if (port === undefined) throw new SwitchyardError("BACKEND_UNAVAILABLE", "the null target ended before it listened");
  return {
    target: { address: `127.0.0.1:${port}`, tls: false, tokenFromEnv: false },
    pid: child.pid,
    end: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
