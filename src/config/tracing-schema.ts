// Options of traces.
import { z } from "zod";
import { HEADER_NAME, secrets, url } from "./external-schema.js";
import { number, pattern } from "./fields.js";

export const tracing = z.strictObject({
  endpoint: url("Collector of traces (OTLP over HTTP); without a path /v1/traces is asked for; no traces when empty"),
  sample_ratio: number(
    1,
    0,
    1,
    "Part of the traces that no client began which is kept; a client's own are its to sample",
  ),
  service_name: pattern("switchyard", /^\S.{0,127}$/, "1 to 128 characters", "Name of this service in traces"),
  headers: secrets(HEADER_NAME, "HTTP headers for the collector"),
});
