// The entry point of a client process: does what the coordinator says, reports every second, and ends with it.
import { messageOf } from "../core/errors.js";
import { collectSparingly } from "../core/garbage.js";
import { ClientRun } from "./client-run.js";
import type { FromClient, ToClient } from "./messages.js";
import { SelfWatch } from "./self-watch.js";

collectSparingly();

let run: ClientRun | undefined;
let isRunning = false;

// Ctrl-C reaches every process of the terminal; it is the coordinator's to say what it means.
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit(1));
process.on("message", (message: ToClient) => {
  obey(message).catch((error: unknown) => {
    send({ kind: "failed", message: messageOf(error) });
    leave();
  });
});

async function obey(message: ToClient): Promise<void> {
  switch (message.kind) {
    case "plan":
      run = new ClientRun(message.plan, message.index, message.runId);
      return getReady(run);
    case "begin":
      return begin(message.atUnixMs);
    case "stop":
      if (isRunning) run?.stop(message.drainMs);
      else leave();
      return;
    default:
      return message satisfies never;
  }
}

async function getReady(opening: ClientRun): Promise<void> {
  const telling = setInterval(() => send({ kind: "opening", up: opening.up }), 1000);
  await opening.ready().finally(() => clearInterval(telling));
  send({ kind: "ready" });
}

async function begin(atUnixMs: number): Promise<void> {
  if (run === undefined) throw new Error("begin before plan");
  isRunning = true;
  await new Promise((resolve) => setTimeout(resolve, atUnixMs - Date.now()));
  const watch = new SelfWatch();
  let second = 0;
  const report = () => {
    second += 1;
    if (run !== undefined) send({ kind: "second", second: { ...run.second(), ...watch.take(), second } });
  };
  let timer: NodeJS.Timeout | undefined;
  const next = () => {
    // By the clock, so that lateness does not add up.
    const dueMs = atUnixMs + (second + 1) * 1000;
    timer = setTimeout(() => {
      report();
      next();
    }, dueMs - Date.now());
  };
  next();
  const final = await run.run();
  clearTimeout(timer);
  report();
  watch.stop();
  send({ kind: "final", final });
}

/** Gives back what it has, and ends. */
function leave(): void {
  const closed = run?.close() ?? Promise.resolve();
  closed.then(
    () => process.exit(1),
    () => process.exit(1),
  );
}

function send(message: FromClient): void {
  if (process.connected) process.send?.(message);
}
