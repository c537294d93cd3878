// `switchyard serve`: from flags to a serving process, and from a signal to its end. It owns stdout, which carries one
// line when the server is ready, the exit code, and the signals.
import { constants } from "node:os";
import type { Logger } from "pino";
import { warningsOf } from "../config/checks.js";
import { type Flag, loadConfig } from "../config/load.js";
import type { Config } from "../config/schema.js";
import { messageOf, SwitchyardError } from "../core/errors.js";
import { collectSparingly } from "../core/garbage.js";
import { createLog, type Verbosity } from "../telemetry/log.js";
import { startService } from "./compose.js";
import { receiveHangUps } from "./hang-up.js";
import { type Reloadable, Reloader } from "./reload.js";
import type { Service } from "./service.js";
import { startProgress } from "./start-progress.js";

// Ctrl-C under `npm start` arrives twice: from the terminal, and forwarded by npm.
const SAME_SIGNAL_MS = 1000;

export interface ServeFlags extends Readonly<Partial<Record<Flag, string | boolean>>> {
  readonly config?: string;
}

/** Runs until a signal ends it; never resolves before. */
export async function serve({ config: file, ...flags }: ServeFlags): Promise<void> {
  collectSparingly();
  try {
    const load = () => loadConfig({ ...(file !== undefined && { file }), env: process.env, flags });
    const config = load();
    const verbosity: Verbosity = { level: config.log.level };
    const log = createLog(verbosity);
    logUncaught(log);
    for (const warning of warningsOf(config)) log.warn({}, warning);
    await run(config, log, (table) => new Reloader(config, load, [levelOf(verbosity), ...table], log));
  } catch (error) {
    // A failure without a reason of ours is a defect, and then the stack is worth more than a short message.
    const text = error instanceof SwitchyardError || !(error instanceof Error) ? messageOf(error) : error.stack;
    process.stderr.write(`switchyard: ${text}\n`);
    process.exit(1);
  }
}

async function run(config: Config, log: Logger, reloaderOf: (table: readonly Reloadable[]) => Reloader): Promise<void> {
  const stop = firstSignal(log);
  const onHangUp = receiveHangUps();
  const progress = startProgress(process.stderr);
  const service = await startService(config, log, progress.say).finally(progress.end);
  let { shutdown } = config;
  const atShutdown: Reloadable = {
    name: "shutdown",
    apply: (next) => {
      shutdown = next.shutdown;
    },
  };
  const reloader = reloaderOf([atShutdown, ...service.reloadable]);
  onHangUp(() => void reloader.reload());
  if (service.httpAddress) log.info({ address: service.httpAddress }, "serving /metrics, /healthz and /readyz");
  if (!stop.received) sayReady(service);
  const signal = await Promise.race([stop.signal, service.fenced]);
  if (signal === undefined) {
    log.fatal("another server of this instance has taken over: ending, and leaving it everything");
    await service.handOver(0);
    process.exit(1);
  }
  const { grace_s, handover } = shutdown;
  log.info({ signal, grace_s, handover }, "shutting down");
  if (handover) await service.handOver(grace_s * 1000);
  else await service.close(grace_s * 1000);
  process.exit(0);
}

function levelOf(verbosity: Verbosity): Reloadable {
  return {
    name: "log.level",
    apply: ({ log }) => {
      verbosity.level = log.level;
    },
  };
}

function sayReady({ address, backend, slots }: Service): void {
  // Whoever started us may have stopped reading; that is no reason to end.
  process.stdout.on("error", () => {});
  process.stdout.write(`switchyard ready on ${address}, backend ${backend}, ${slots} slots\n`);
}

interface Stop {
  readonly received: boolean;
  readonly signal: Promise<StopSignal>;
}

type StopSignal = "SIGTERM" | "SIGINT";

/** The first signal asks for an orderly end, a second one ends the process at once. */
function firstSignal(log: Logger): Stop {
  let receivedAt: number | undefined;
  const signal = new Promise<StopSignal>((resolve) => {
    const receive = (name: StopSignal) => {
      const now = performance.now();
      if (receivedAt === undefined) {
        receivedAt = now;
        resolve(name);
      } else if (now - receivedAt > SAME_SIGNAL_MS) {
        log.warn({ signal: name }, "second signal: ending at once");
        process.exit(128 + constants.signals[name]);
      }
    };
    process.on("SIGTERM", receive);
    process.on("SIGINT", receive);
  });
  return {
    get received() {
      return receivedAt !== undefined;
    },
    signal,
  };
}

function logUncaught(log: Logger): void {
  const fatal = (error: unknown, origin: string) => {
    log.fatal({ err: error, origin }, "uncaught error");
    process.exit(1);
  };
  process.on("uncaughtException", fatal);
  process.on("unhandledRejection", (reason) => fatal(reason, "unhandledRejection"));
}
