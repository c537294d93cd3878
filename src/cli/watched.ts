// What the server shows to those who watch it over HTTP, where `http.listen` asks for it.
import type { Config } from "../config/schema.js";
import type { GrpcServer } from "../grpc/server.js";
import type { Pool } from "../pool/pool.js";
import { HttpServer, type Readiness } from "../telemetry/http-server.js";
import type { Figures, Metrics } from "../telemetry/metrics.js";
import type { TrajectoryDirectory } from "../trajectory/trajectory-directory.js";

/** Of why a pool is down. */
const REASON_CHARS_MAX = 300;

export interface Watched {
  readonly metrics: Metrics;
  readonly pools: readonly Pool[];
  readonly directory: Pick<TrajectoryDirectory, "size" | "counters" | "ledgerBytes" | "transfers">;
  readonly server: Pick<GrpcServer, "streams">;
  /** Why it takes no calls; undefined while it does. */
  readonly whyNotReady: () => string | undefined;
}

/** The HTTP server and where it listens; undefined when none is asked for. Rejects with LISTEN_FAILED. */
export async function serveHttp(
  { http: { listen } }: Pick<Config, "http">,
  watched: Watched,
): Promise<{ address: string; close(): Promise<void> } | undefined> {
  if (!listen) return undefined;
  const { metrics } = watched;
  const server = new HttpServer({
    listen,
    metrics: { contentType: metrics.contentType, text: () => metrics.text(figuresOf(watched)) },
    readiness: () => readinessOf(watched),
  });
  return { address: await server.listen(), close: () => server.close() };
}

/** One pool that is down leaves the others' trajectories to serve; when all are, no call can get a slot. */
function readinessOf({ pools, whyNotReady }: Watched): Readiness {
  const why = whyNotReady();
  if (why !== undefined) return { isReady: false, text: why };
  const down = pools.flatMap((pool) => {
    const reason = pool.whyDown()?.replace(/\s+/g, " ").slice(0, REASON_CHARS_MAX);
    return reason === undefined ? [] : [`pool ${pool.name} has no container, and none can be started: ${reason}`];
  });
  const isReady = down.length < pools.length;
  return { isReady, text: [...(isReady ? ["ready"] : []), ...down].join("\n") };
}

function figuresOf({ pools, directory, server }: Watched): Figures {
  return {
    streams: server.streams,
    trajectories: directory.size,
    callsQueued: directory.counters.queued,
    ledgerBytes: directory.ledgerBytes,
    liveOutputBytes: directory.counters.outputBytes,
    transfers: directory.transfers,
    pools: pools.map((pool) => {
      const { name, containers, waiting } = pool.status();
      const isDown = pool.whyDown() !== undefined;
      return { name, containers, waiting, slots: pool.slotStates(), isDown, ...pool.tally };
    }),
  };
}
