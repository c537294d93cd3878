// Traces of calls, where `tracing.endpoint` asks for them: else none of their packages is even loaded.
import type { Logger } from "pino";
import type { Config } from "../config/schema.js";
import { systemClock } from "../core/clock.js";
import type { Metrics } from "../telemetry/metrics.js";
import type { Tracing } from "../telemetry/tracing-export.js";
import { packageVersion } from "./package.js";

export async function makeTracing(
  { tracing }: Pick<Config, "tracing">,
  serverId: string,
  metrics: Metrics,
  log: Logger,
): Promise<Tracing | undefined> {
  const { endpoint, sample_ratio, service_name, headers } = tracing;
  if (!endpoint) return undefined;
  const { startTracing } = await import("../telemetry/tracing-export.js");
  return startTracing({
    endpoint,
    sampleRatio: sample_ratio,
    serviceName: service_name,
    version: packageVersion(),
    serverId,
    headers,
    clock: systemClock,
    log,
    onSpans: (result, count) => metrics.spans(result, count),
  });
}
