// One second of a run, as it is shown while it runs and kept in the report: what all client processes saw, and what the server and
// its processes were at then.
import type { Latencies } from "./histogram.js";
import type { ClientSecond } from "./messages.js";
import type { ProcessSample } from "./process-watch.js";
import type { ServerSample } from "./server-watch.js";
import type { Moment } from "./timeline.js";

export interface Row {
  /** It ended so many seconds after the beginning. */
  readonly second: number;
  /** Undefined: the drain. */
  readonly stage: number | undefined;
  readonly counted: boolean;
  /** What the plan asked for. */
  readonly level: number;
  readonly results: number;
  readonly errors: number;
  /** Milliseconds, of the results of this second; 0 without any. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly streams: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** The busiest client's. */
  readonly clientUtilisation: number;
  readonly clientLagMaxMs: number;
  /** Of all clients together. */
  readonly clientCpu: number;
  readonly clientBytes: number;
  readonly queueSize?: number;
  readonly slotsLeased?: number;
  /** Calls per batch in this second. */
  readonly batchSize?: number;
  readonly processes?: ProcessSample;
}

/** What the coordinator saw by itself at the end of a second. */
export interface Surroundings {
  readonly server: ServerSample | undefined;
  readonly before: ServerSample | undefined;
  readonly processes: ProcessSample | undefined;
}

export function rowOf(
  second: number,
  moment: Moment | undefined,
  clients: readonly ClientSecond[],
  latencies: Latencies,
  { server, before, processes }: Surroundings,
): Row {
  const sum = (of: (client: ClientSecond) => number) => clients.reduce((total, client) => total + of(client), 0);
  for (const { latenciesUs } of clients) for (const us of latenciesUs) latencies.recordUs(us);
  const batches = (server?.batches ?? 0) - (before?.batches ?? 0);
  const batched = (server?.batched ?? 0) - (before?.batched ?? 0);
  return {
    second,
    stage: moment?.stage,
    counted: moment?.counted ?? false,
    level: moment?.level ?? 0,
    results: sum(({ results }) => results),
    errors: sum(({ errors }) => errors),
    p50: latencies.percentile(50),
    p90: latencies.percentile(90),
    p99: latencies.percentile(99),
    max: latencies.percentile(100),
    streams: sum(({ streams }) => streams),
    inFlight: sum(({ inFlight }) => inFlight),
    waiting: sum(({ waiting }) => waiting),
    clientUtilisation: Math.max(0, ...clients.map(({ utilisation }) => utilisation)),
    clientLagMaxMs: Math.max(0, ...clients.map(({ lagMaxMs }) => lagMaxMs)),
    clientCpu: sum(({ cpu }) => cpu),
    clientBytes: sum(({ rssBytes }) => rssBytes),
    ...(server !== undefined && { queueSize: server.queueSize, slotsLeased: server.slotsLeased }),
    ...(before !== undefined && batches > 0 && { batchSize: batched / batches }),
    ...(processes !== undefined && { processes }),
  };
}
