// What the server shows to those who watch it over HTTP, where `http.listen` asks for it.
import type { Config } from "../config/schema.js";
import type { GrpcServer } from "../grpc/server.js";
import type { Pool } from "../pool/pool.js";
import { HttpServer } from "../telemetry/http-server.js";
import type { Figures, Metrics } from "../telemetry/metrics.js";
import type { TrajectoryDirectory } from "../trajectory/trajectory-directory.js";

export interface Watched {
  readonly metrics: Metrics;
  readonly pools: readonly Pool[];
  readonly directory: TrajectoryDirectory;
  readonly server: GrpcServer;
  /** Why it takes no calls; undefined while it does. */
  whyNotReady(): string | undefined;
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
    whyNotReady: () => watched.whyNotReady(),
  });
  return { address: await server.listen(), close: () => server.close() };
}

function figuresOf({ pools, directory, server }: Watched): Figures {
  return {
    streams: server.streams,
    trajectories: directory.size,
    callsQueued: directory.counters.queued,
    ledgerBytes: directory.ledgerBytes,
    liveOutputBytes: directory.counters.outputBytes,
    pools: pools.map((pool) => {
      const { name, containers, waiting } = pool.status();
      return { name, containers, waiting, slots: pool.slotStates() };
    }),
  };
}
