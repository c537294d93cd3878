// How an error leaves by gRPC: its code, its message, and in `grpc-status-details-bin` a google.rpc.Status that holds a
// google.rpc.ErrorInfo with the reason. What is not a SwitchyardError is a bug: logged whole, sent as a fixed text.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { status as GrpcStatus, Metadata, type StatusObject } from "@grpc/grpc-js";
import { type Reason, SwitchyardError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { asBuffer, headOf } from "./wire.js";

export const ERROR_DOMAIN = "switchyard";
/** A status travels in HTTP/2 trailers, percent-encoded; many clients refuse more than 8 KiB of them. */
const MESSAGE_BYTES_MAX = 1024;
const INTERNAL_TEXT = "internal error: the server's log says more";

/** Told why a request or a stream ended with an error. */
export type OnRefused = (reason: Reason) => void;

export function grpcStatusOf(error: unknown, log: Logger, onRefused?: OnRefused): StatusObject {
  const reason = error instanceof SwitchyardError ? error.reason : "INTERNAL";
  onRefused?.(reason);
  if (error instanceof SwitchyardError && reason !== "INTERNAL") return statusObject(reason, error.message);
  log.error({ err: error }, "internal error");
  return statusObject("INTERNAL", INTERNAL_TEXT);
}

function statusObject(reason: Reason, text: string): StatusObject {
  const code = GrpcStatus[new SwitchyardError(reason, "").meaning.code];
  const message = headOf(text, MESSAGE_BYTES_MAX);
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", asBuffer(encodeStatus(code, message, reason)));
  return { code, details: message, metadata };
}

/** google.rpc.Status {code = 1, message = 2, details = 3 (google.protobuf.Any)}. */
function encodeStatus(code: number, message: string, reason: Reason): Uint8Array {
  const status = new BinaryWriter();
  status.uint32(tag(1, 0)).int32(code);
  status.uint32(tag(2, 2)).string(message);
  status.uint32(tag(3, 2)).fork();
  // google.protobuf.Any {type_url = 1, value = 2}
  status.uint32(tag(1, 2)).string("type.googleapis.com/google.rpc.ErrorInfo");
  status.uint32(tag(2, 2)).bytes(encodeErrorInfo(reason));
  return status.join().finish();
}

/** google.rpc.ErrorInfo {reason = 1, domain = 2}. */
function encodeErrorInfo(reason: Reason): Uint8Array {
  return new BinaryWriter().uint32(tag(1, 2)).string(reason).uint32(tag(2, 2)).string(ERROR_DOMAIN).finish();
}

function tag(number: number, wireType: number): number {
  return (number << 3) | wireType;
}
