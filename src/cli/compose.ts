// The one composition root: makes every part of the server, hands each what it needs, and takes them down in order.
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { AdoptedContainer, Backend, Runner } from "../backend/backend.js";
import { lockInstance } from "../backend/instance-lock.js";
import { UidBlock } from "../backend/uid-block.js";
import type { Batcher } from "../batch/batcher.js";
import type { Config, PoolConfig } from "../config/schema.js";
import { systemClock } from "../core/clock.js";
import { GrpcServer } from "../grpc/server.js";
import { Pool } from "../pool/pool.js";
import { Metrics } from "../telemetry/metrics.js";
import type { Catalogue } from "../tools/catalogue.js";
import type { TrajectoryDirectory } from "../trajectory/trajectory-directory.js";
import { makeTokenBook, reloadTokens } from "./auth.js";
import { makeBackend } from "./backend.js";
import { makeExternalTools } from "./external.js";
import { LiveSettings } from "./live-settings.js";
import { packageVersion } from "./package.js";
import { makeSecurity } from "./security.js";
import type { Service } from "./service.js";
import { type Say, startPools } from "./start-progress.js";
import { makeTracing } from "./traced.js";
import { type Guards, makeTrajectories, type Watchers } from "./trajectories.js";
import { serveHttp } from "./watched.js";

/** Calls that outlast the grace are killed at its end; their results have so long to go out before the streams end. */
const LAST_RESULTS_MS = 5_000;

/**
 * Rejects, with nothing left behind, when any part cannot start. `say` is told what it is at meanwhile; `backendOf` makes
 * what the configuration asks for, unless a bench has one of its own.
 */
export async function startService(
  config: Config,
  log: Logger,
  say?: Say,
  backendOf: (...given: Parameters<typeof makeBackend>) => Promise<Backend> = makeBackend,
): Promise<Service> {
  const instance = instanceOf(config);
  const unlock = await lockInstance(instance);
  const undo: (() => unknown)[] = [unlock];
  try {
    const uids = await UidBlock.claim();
    undo.push(uids.release);
    const security = await makeSecurity(config, log);
    undo.push(security.close);
    const [fenced, onFenced] = signal();
    const metrics = new Metrics(packageVersion());
    const serverId = randomUUID();
    const tracing = await makeTracing(config, serverId, metrics, log);
    if (tracing) undo.push(() => tracing.close());
    const onRoundTrip = (ms: number) => metrics.linkAnswered(ms);
    const backend = await backendOf(config, { instance, uids, log, onFenced, onRoundTrip, onProgress: say });
    undo.push(() => backend.close());
    await backend.start();
    const pools = Object.entries(config.pools).map(([name, pool]) => makePool(name, pool, backend, log));
    // Until it serves, nothing of what it took over is its own to destroy.
    let handover = true;
    undo.push(() => Promise.all(pools.map((pool) => (handover ? pool.leave() : pool.close()))));
    const external = makeExternalTools(config, log);
    undo.push(() => external.close());
    const watchers = { metrics, tracer: tracing?.tracer, log };
    const guards = { tokens: makeTokenBook(config), certificates: security.certificates };
    const live = new LiveSettings(config);
    const { directory, batcher, catalogue } = makeTrajectories(config, live, pools, external, guards, watchers);
    const server = makeServer(config, live, serverId, pools, batcher, catalogue, directory, guards, watchers);
    let whyNotReady: string | undefined = "the server is starting";
    const http = await serveHttp(config, { metrics, pools, directory, server, whyNotReady: () => whyNotReady });
    if (http) undo.push(() => http.close());
    goOnWith(await backend.adopt(), pools, directory);
    await startPools(pools, (name) => config.pools[name]?.min_containers ?? 0, say);
    const port = await server.listen(config.listen);
    directory.startLeases();
    [handover, whyNotReady] = [false, undefined];
    const endAll = once(async (graceMs: number) => {
      whyNotReady = "the server is shutting down";
      const stopped = directory.close(graceMs, handover).then(() => batcher.close());
      await Promise.all([stopped, server.close(graceMs + LAST_RESULTS_MS)]);
      await takeBack(undo, log);
    });
    const host = config.listen.slice(0, config.listen.lastIndexOf(":"));
    return {
      address: `${host}:${port}`,
      ...(http && { httpAddress: http.address }),
      backend: backend.name,
      slots: pools.reduce((sum, pool) => sum + pool.status().slotsReady, 0),
      close: endAll,
      handOver: (graceMs) => {
        handover = true;
        return endAll(graceMs);
      },
      fenced,
      reloadable: [
        ...security.reloadable,
        ...live.reloadable,
        reloadTokens(guards.tokens, () => directory.allowancesChanged()),
      ],
    };
  } catch (error) {
    await takeBack(undo, log);
    throw error;
  }
}

/** Last things first; one that fails does not keep the others. */
async function takeBack(undo: (() => unknown)[], log: Logger): Promise<void> {
  for (const step of undo.reverse()) {
    try {
      await step();
    } catch (error) {
      log.error({ err: error }, "a part of the server could not be ended");
    }
  }
}

/** Binds what an earlier server's containers have to its trajectories; a slot that cannot be bound is given back. */
function goOnWith(
  containers: readonly AdoptedContainer[],
  pools: readonly Pool[],
  directory: TrajectoryDirectory,
): void {
  const found = containers.flatMap((adopted) => {
    const pool = pools.find(({ name }) => name === adopted.pool);
    const leased = pool?.adopt(adopted) ?? [];
    return leased.flatMap((slot, index) => {
      const lease = adopted.slots[index]?.lease;
      return pool && slot && lease ? [{ pool, slot, lease }] : [];
    });
  });
  // Of two that one trajectory has had, a lost one may not be gone yet: the newer is right.
  found.sort(({ lease: { binding: a } }, { lease: { binding: b } }) =>
    a.beganUnixMs === b.beganUnixMs ? b.generation - a.generation : b.beganUnixMs - a.beganUnixMs,
  );
  for (const { pool, slot, lease } of found) {
    if (!directory.restore(pool.name, lease, slot)) void pool.release(slot);
  }
}

function makeServer(
  config: Config,
  live: LiveSettings,
  serverId: string,
  pools: readonly Pool[],
  batcher: Batcher<Runner>,
  catalogue: Catalogue,
  directory: TrajectoryDirectory,
  { tokens, certificates }: Guards,
  { metrics, log }: Watchers,
): GrpcServer {
  const startedMs = performance.now();
  return new GrpcServer({
    directory,
    tools: catalogue,
    status: {
      readStatus: () => ({
        version: packageVersion(),
        serverId,
        uptimeMs: performance.now() - startedMs,
        queueSize: directory.counters.queued,
        totalRequests: directory.counters.total,
        totalErrors: directory.counters.errors,
        batches: batcher.stats.batches,
        batchedCalls: batcher.stats.calls,
        meanBatchSize: batcher.stats.meanBatchSize,
        trajectories: directory.size,
        pools: pools.map((pool) => ({ ...pool.status(), isolation: pool.status().isolation ?? "" })),
      }),
    },
    clock: systemClock,
    log,
    announcement: {
      serverId,
      get unackedCallsMax() {
        return live.limits.calls_per_trajectory_max;
      },
      outputCharsMax: config.output.chars_max,
      get timeoutMinS() {
        return live.timeouts.min_s;
      },
      get timeoutMaxS() {
        return live.timeouts.max_s;
      },
      get leaseMaxS() {
        return live.lease.max_s;
      },
    },
    get streamsMax() {
      return live.limits.streams_max;
    },
    tokens,
    certificates,
    reflection: config.reflection,
    onRejected: (status) => metrics.rejected(status),
    onRefused: (reason) => metrics.refused(reason),
    keepalive: { intervalMs: config.keepalive.interval_s * 1000, timeoutMs: config.keepalive.timeout_s * 1000 },
  });
}

function makePool(name: string, pool: PoolConfig, backend: Backend, log: Logger): Pool {
  return new Pool({
    name,
    backend,
    clock: systemClock,
    log,
    limits: {
      slotsPerContainer: pool.slots_per_container,
      minContainers: pool.min_containers,
      maxContainers: pool.max_containers,
      idleTtlS: pool.idle_ttl_s,
    },
  });
}

/** With port 0 no later server could mean the same instance, so its name is random. */
export function instanceOf({ instance, listen }: Pick<Config, "instance" | "listen">): string {
  if (instance) return instance;
  const name = listen.replace(/[^A-Za-z0-9._-]+/g, "-");
  return listen.endsWith(":0") ? `${name}-${randomUUID().slice(0, 8)}` : name;
}

/** A promise, and what resolves it. */
function signal(): [Promise<void>, () => void] {
  let give: () => void = () => undefined;
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return [given, give];
}

function once(act: (graceMs: number) => Promise<void>): (graceMs: number) => Promise<void> {
  let done: Promise<void> | undefined;
  return (graceMs) => {
    done ??= act(graceMs);
    return done;
  };
}
