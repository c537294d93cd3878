import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { status as GrpcStatus } from "@grpc/grpc-js";
import { MEANING, type Reason, SwitchyardError } from "../../src/core/errors.js";
import type { Logger } from "../../src/core/log.js";
import { grpcStatusOf } from "../../src/grpc/status.js";

class TestLog implements Logger {
  readonly errors: object[] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  child(): Logger {
    return this;
  }
  error(fields: object): void {
    this.errors.push(fields);
  }
}

/** The length-delimited fields and varints of a message, by number. */
function fieldsOf(bytes: Uint8Array): Map<number, Uint8Array | number> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Uint8Array | number>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    fields.set(number, type === 2 ? reader.bytes() : reader.int32());
  }
  return fields;
}

function bytesAt(fields: Map<number, Uint8Array | number>, number: number): Buffer {
  const value = fields.get(number);
  return value instanceof Uint8Array ? Buffer.from(value) : assert.fail(`no field ${number}`);
}

function detailsOf(error: unknown, log = new TestLog()) {
  const { code, details, metadata } = grpcStatusOf(error, log);
  const [raw] = metadata.get("grpc-status-details-bin");
  const status = fieldsOf(raw instanceof Buffer ? raw : assert.fail("no details"));
  const any = fieldsOf(bytesAt(status, 3));
  const info = fieldsOf(bytesAt(any, 2));
  return {
    code,
    details,
    statusCode: status.get(1),
    message: bytesAt(status, 2).toString(),
    typeUrl: bytesAt(any, 1).toString(),
    reason: bytesAt(info, 1).toString(),
    domain: bytesAt(info, 2).toString(),
  };
}

test("every reason leaves with its code and an ErrorInfo", () => {
  for (const reason of Object.keys(MEANING).filter((key): key is Reason => key in MEANING)) {
    if (reason === "INTERNAL") continue;
    const code = GrpcStatus[MEANING[reason].code];
    assert.deepEqual(detailsOf(new SwitchyardError(reason, "why")), {
      code,
      details: "why",
      statusCode: code,
      message: "why",
      typeUrl: "type.googleapis.com/google.rpc.ErrorInfo",
      reason,
      domain: "switchyard",
    });
  }
});

test("an unknown error is logged whole and sent as a fixed text", () => {
  for (const error of [new Error("secret path"), "secret", undefined, new SwitchyardError("INTERNAL", "secret")]) {
    const log = new TestLog();
    const sent = detailsOf(error, log);
    assert.equal(sent.code, GrpcStatus.INTERNAL);
    assert.equal(sent.reason, "INTERNAL");
    assert.doesNotMatch(sent.details + sent.message, /secret/);
    assert.deepEqual(log.errors, [{ err: error }]);
  }
});

test("a message is bounded and can be percent-encoded", () => {
  const { details } = detailsOf(new SwitchyardError("INVALID_FIELD", `\ud800${"é".repeat(5000)}`));
  assert.ok(Buffer.byteLength(details) <= 1024);
  assert.doesNotThrow(() => encodeURI(details));
});
