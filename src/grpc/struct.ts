// google.protobuf.Struct and JSON objects. Decoding is ours because generated code loses a `__proto__` key, and because
// a model can nest its arguments as deep as it likes.
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { isJsonArray, type JsonObject, type JsonValue, ownValue } from "../core/json.js";
import { wellFormed } from "./wire.js";

/** Levels of objects and arrays in a call's arguments. */
export const ARGUMENT_DEPTH_MAX = 64;
/** Levels in what we send; Python and C++ clients refuse a message that nests 100 deep, and a level is three of theirs. */
const SENT_DEPTH_MAX = 24;

/** Throws RangeError when nested deeper than ARGUMENT_DEPTH_MAX, or what BinaryReader throws for bytes that are no Struct. */
export function decodeStruct(bytes: Uint8Array): JsonObject {
  return readStruct(bytes, 1);
}

function readStruct(bytes: Uint8Array, depth: number): JsonObject {
  if (depth > ARGUMENT_DEPTH_MAX) throw new RangeError(`nested more than ${ARGUMENT_DEPTH_MAX} levels deep`);
  const object: { [key: string]: JsonValue } = {};
  forEachField(bytes, (number, type, reader) => {
    if (number === 1 && type === WireType.LengthDelimited) setOwn(object, ...readEntry(reader.bytes(), depth));
    else reader.skip(type, number);
  });
  return object;
}

function readEntry(bytes: Uint8Array, depth: number): [string, JsonValue] {
  let key = "";
  let value: JsonValue = null;
  forEachField(bytes, (number, type, reader) => {
    if (number === 1 && type === WireType.LengthDelimited) key = reader.string();
    else if (number === 2 && type === WireType.LengthDelimited) value = readValue(reader.bytes(), depth);
    else reader.skip(type, number);
  });
  return [key, value];
}

function readValue(bytes: Uint8Array, depth: number): JsonValue {
  let value: JsonValue = null;
  forEachField(bytes, (number, type, reader) => {
    if (number === 2 && type === WireType.Bit64) value = finite(reader.double());
    else if (number === 3 && type === WireType.LengthDelimited) value = reader.string();
    else if (number === 4 && type === WireType.Varint) value = reader.bool();
    else if (number === 5 && type === WireType.LengthDelimited) value = readStruct(reader.bytes(), depth + 1);
    else if (number === 6 && type === WireType.LengthDelimited) value = readList(reader.bytes(), depth + 1);
    else reader.skip(type, number);
  });
  return value;
}

function readList(bytes: Uint8Array, depth: number): JsonValue {
  if (depth > ARGUMENT_DEPTH_MAX) throw new RangeError(`nested more than ${ARGUMENT_DEPTH_MAX} levels deep`);
  const list: JsonValue[] = [];
  forEachField(bytes, (number, type, reader) => {
    if (number === 1 && type === WireType.LengthDelimited) list.push(readValue(reader.bytes(), depth));
    else reader.skip(type, number);
  });
  return list;
}

function forEachField(bytes: Uint8Array, read: (number: number, type: WireType, reader: BinaryReader) => void): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    read(number, type, reader);
    if (reader.pos > reader.len) throw new RangeError("premature end of message");
  }
}

/** `object[key] = value`, also for the key `__proto__`, where an assignment would set the prototype. */
function setOwn(object: { [key: string]: JsonValue }, key: string, value: JsonValue): void {
  if (key !== "__proto__") object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** JSON has no NaN and no infinity, and neither has a Struct that a client could print. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** A copy that every client can decode: well-formed strings, finite numbers, bounded depth. */
export function sendable(object: JsonObject): { [key: string]: JsonValue } {
  return sendableObject(object, 1);
}

function sendableObject(object: JsonObject, depth: number): { [key: string]: JsonValue } {
  const copy: { [key: string]: JsonValue } = {};
  for (const key of Object.keys(object)) {
    setOwn(copy, wellFormed(key), sendableValue(ownValue(object, key) ?? null, depth));
  }
  return copy;
}

function sendableValue(value: JsonValue, depth: number): JsonValue {
  if (typeof value === "string") return wellFormed(value);
  if (typeof value === "number") return finite(value);
  if (value === null || typeof value === "boolean") return value;
  if (depth >= SENT_DEPTH_MAX) return "[nested too deeply]";
  if (isJsonArray(value)) return value.map((item) => sendableValue(item, depth + 1));
  return sendableObject(value, depth + 1);
}
