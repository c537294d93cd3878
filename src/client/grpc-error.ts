// Reads a gRPC failure: the reason in google.rpc.ErrorInfo (`grpc-status-details-bin`), and whether to try again. A failure
// with a reason is the server's own word; one without comes from gRPC or something in between.
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { status as GrpcStatus, type ServiceError } from "@grpc/grpc-js";
import { MEANING, messageOf, type Reason } from "../core/errors.js";
import { type ErrorReason, SwitchyardClientError } from "./errors.js";
import { tlsFailureIn } from "./tls-failure.js";

export interface Failure {
  readonly error: SwitchyardClientError;
  /** Whether the same may succeed on another connection or later. */
  readonly retry: boolean;
  /** TLS refuses the other end, which goes on until somebody mends it. */
  readonly isTls?: true;
}

const LENGTH_DELIMITED = 2;
const ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo";
const DOMAIN = "switchyard";

/** What the server says will pass: it goes, its engine is away, a limit was reached. */
const PASSING = new Set<string>(["UNAVAILABLE", "RESOURCE_EXHAUSTED"]);
/** Without a reason of the server's. grpc-js gives most of these for connections that break in one way or another. */
const BROKEN_CONNECTION = new Set<string>([
  ...PASSING,
  ...["CANCELLED", "UNKNOWN", "INTERNAL", "ABORTED", "DEADLINE_EXCEEDED", "DATA_LOSS"],
]);

export function failureOf(cause: ServiceError): Failure {
  const code = GrpcStatus[cause.code] ?? `code ${cause.code}`;
  const given = reasonIn(cause);
  const text = cause.details || messageOf(cause);
  const tls = given === undefined && code === "UNAVAILABLE" ? tlsFailureIn(text) : undefined;
  if (tls !== undefined) {
    return { error: new SwitchyardClientError("UNREACHABLE", tls, { code, cause }), retry: true, isTls: true };
  }
  const reason: ErrorReason = given !== undefined && isReason(given) ? given : "UNKNOWN";
  const message = given === undefined || reason === given ? text : `${given}: ${text}`;
  const retry = (given === undefined ? BROKEN_CONNECTION : PASSING).has(code);
  return { error: new SwitchyardClientError(reason, message, { code, cause }), retry };
}

function isReason(text: string): text is Reason {
  return Object.hasOwn(MEANING, text);
}

/** The reason, or undefined when there is none or it is not the server's. */
function reasonIn(error: ServiceError): string | undefined {
  const [details] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!Buffer.isBuffer(details)) return undefined;
  try {
    return reasonOfStatus(details);
  } catch {
    return undefined; // No google.rpc.Status: not from this server.
  }
}

/** google.rpc.Status {details = 3: google.protobuf.Any {type_url = 1, value = 2: ErrorInfo {reason = 1, domain = 2}}}. */
function reasonOfStatus(status: Uint8Array): string | undefined {
  for (const detail of fields(status, 3)) {
    const [type] = fields(detail, 1);
    const [info] = fields(detail, 2);
    if (type === undefined || info === undefined || textOf(type) !== ERROR_INFO) continue;
    const [reason] = fields(info, 1);
    const [domain] = fields(info, 2);
    if (reason !== undefined && domain !== undefined && textOf(domain) === DOMAIN) return textOf(reason);
  }
  return undefined;
}

function fields(message: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === wanted && type === LENGTH_DELIMITED) found.push(reader.bytes());
    else reader.skip(type, number);
  }
  return found;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
