// Trajectories and what their calls go through: the catalogue of tools, the batcher, the directory.
import type { Logger } from "pino";
import type { Runner } from "../backend/backend.js";
import { Batcher } from "../batch/batcher.js";
import type { Config } from "../config/schema.js";
import { systemClock } from "../core/clock.js";
import type { CallTracer } from "../core/trace.js";
import type { TokenBook } from "../grpc/token-book.js";
import type { Pool } from "../pool/pool.js";
import { logCall } from "../telemetry/log.js";
import type { Metrics } from "../telemetry/metrics.js";
import { Catalogue } from "../tools/catalogue.js";
import type { ExternalTools } from "../tools/external/external-tools.js";
import { TrajectoryDirectory } from "../trajectory/trajectory-directory.js";
import type { LiveSettings } from "./live-settings.js";
import type { Security } from "./security.js";

/** What decides who may come in, and what they may have. */
export interface Guards extends Pick<Security, "certificates"> {
  readonly tokens: TokenBook;
}

/** Who is told of what the server does. */
export interface Watchers {
  readonly metrics: Metrics;
  readonly tracer: CallTracer | undefined;
  readonly log: Logger;
}

/** What runs the calls that come in, from the trajectory to the batch. */
export function makeTrajectories(
  config: Config,
  live: LiveSettings,
  pools: readonly Pool[],
  external: ExternalTools,
  guards: Guards,
  watchers: Watchers,
) {
  const { metrics, log } = watchers;
  const batcher = new Batcher<Runner>({
    clock: systemClock,
    windowMs: config.batch.window_ms,
    sizeMax: config.batch.size_max,
    dispatch: ({ runner, entries, timeoutS }, settle) =>
      runner.runBatch(
        entries.map(({ operation }) => operation),
        timeoutS,
        settle,
      ),
    onFault: (error) => log.error({ err: error }, "a call's owner threw"),
    onBatch: (calls, waitMs) => metrics.batchSent(calls, waitMs),
  });
  const catalogue = new Catalogue({
    limits: { fileBytesMax: config.files.bytes_max },
    timeouts: {
      get minS() {
        return live.timeouts.min_s;
      },
      get maxS() {
        return live.timeouts.max_s;
      },
    },
    requireStatefulSandbox: config.policy.require_stateful_sandbox,
    disabled: config.tools.disabled,
    external,
  });
  return { batcher, catalogue, directory: makeDirectory(config, live, pools, batcher, catalogue, guards, watchers) };
}

function makeDirectory(
  config: Config,
  live: LiveSettings,
  pools: readonly Pool[],
  batcher: Batcher<Runner>,
  catalogue: Catalogue,
  { tokens }: Guards,
  { metrics, tracer, log }: Watchers,
) {
  return new TrajectoryDirectory({
    clock: systemClock,
    pools: new Map(
      pools.map((slots) => [slots.name, { slots, timeoutDefaultS: config.pools[slots.name]?.timeout_default_s ?? 30 }]),
    ),
    submit: (entry) => batcher.submit(entry),
    follow: ({ runner, slot, uniqId, settle, output }) =>
      batcher.follow({ settle }, (finish) => runner.resumeCall(slot, uniqId, finish, output)),
    catalogue,
    ledger: {
      get callsMax() {
        return live.limits.calls_per_trajectory_max;
      },
      get bytesMax() {
        return live.limits.ledger_bytes_max;
      },
    },
    callBytes: {
      get trajectoryMax() {
        return live.limits.call_bytes_max;
      },
      get serverMax() {
        return live.limits.call_bytes_total_max;
      },
    },
    get leaseDefaultS() {
      return live.lease.default_s;
    },
    get leaseMaxS() {
      return live.lease.max_s;
    },
    get queueTimeoutS() {
      return live.timeouts.queue_s;
    },
    get lifetimeS() {
      return live.limits.trajectory_lifetime_s;
    },
    allowanceOf: (principal) => tokens.allowanceOf(principal),
    onFinished: (tool, outcome, trajectoryId, uniqId) => {
      metrics.callFinished(tool, outcome);
      if (log.isLevelEnabled("debug")) logCall(log, tool, outcome, trajectoryId, uniqId);
    },
    onTransfer: (kind) => metrics.transferBegan(kind),
    tracer,
  });
}
