// What is written by hand as a google.protobuf.Struct is what generated code makes of a sendable copy.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import { Struct } from "../../src/gen/google/protobuf/struct.js";
import { decodeStruct, sendable, writeSendable } from "../../src/grpc/struct.js";

function nested(levels: number): JsonValue {
  return levels === 0 ? "bottom" : { object: nested(levels - 1), list: [nested(0), levels] };
}

const OBJECTS: Readonly<Record<string, JsonObject>> = {
  nothing: {},
  "what a command has": { exit_code: 0, sandboxed: true, network_isolated: false, timeout: 2.5 },
  "all kinds": {
    null: null,
    no: false,
    text: "é",
    empty: "",
    list: [],
    mixed: [1, "a", null, true, [], {}],
    object: {},
  },
  "numbers that JSON has not": { a: Number.NaN, b: Number.POSITIVE_INFINITY, c: [Number.NEGATIVE_INFINITY, -0] },
  "lone surrogates": { "\ud800": "a\udc00b", list: ["\ud800"] },
  "a key of 200 bytes and a text of 100,000": { ["k".repeat(200)]: "x".repeat(100_000) },
  "more levels than are sent": { deep: nested(40) },
  "a prototype": JSON.parse('{"__proto__": {"a": 1}}'),
};

for (const [name, object] of Object.entries(OBJECTS)) {
  test(name, () => {
    const written = writeSendable(object, new BinaryWriter()).finish();
    assert.deepEqual(decodeStruct(written), sendable(object));
    if (name !== "a prototype") {
      assert.deepEqual(Struct.unwrap(Struct.decode(written)), Struct.unwrap(Struct.wrap(sendable(object))));
    }
  });
}

test("levels end where every client can follow", () => {
  const written = writeSendable({ deep: nested(40) }, new BinaryWriter()).finish();
  assert.match(JSON.stringify(decodeStruct(written)), /\[nested too deeply\]/);
});
