// The server's log: JSON lines on stderr, because stdout is for the line that says the server is ready.
import { destination, type Logger, pino } from "pino";
import { FAULT_OF, type Outcome } from "../core/outcome.js";

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace";

/** The least severe level that is logged, for a logger and all its children; it may change while they are in use. */
export interface Verbosity {
  level: LogLevel;
}

/** Writes synchronously, so that the last lines before an exit are not lost. */
export function createLog(verbosity: Verbosity): Logger {
  const isLogged = (severity: number) => severity >= (pino.levels.values[verbosity.level] ?? 0);
  const log = pino(
    {
      // A child of pino's would keep the level that its parent had when it was made.
      level: "trace",
      hooks: {
        logMethod(args, method, severity) {
          if (isLogged(severity)) method.apply(this, args);
        },
      },
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ dest: 2, sync: true }),
  );
  // Children inherit it.
  return Object.assign(log, { isLevelEnabled: (level: string) => isLogged(pino.levels.values[level] ?? 0) });
}

/** One line for each call that ended: how, and what it took, but nothing of what it said. */
export function logCall(log: Logger, tool: string, outcome: Outcome, trajectoryId: string, uniqId: string): void {
  const { status, queueMs, execMs, slotGeneration } = outcome;
  log.debug(
    {
      trajectory_id: trajectoryId,
      uniq_id: uniqId,
      tool,
      status,
      fault: FAULT_OF[status],
      queue_ms: Math.round(queueMs),
      exec_ms: Math.round(execMs),
      slot_generation: slotGeneration,
    },
    "call ended",
  );
}
