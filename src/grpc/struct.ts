// google.protobuf.Struct and JSON objects. Decoding is ours because generated code loses a `__proto__` key, and because
// a model can nest its arguments as deep as it likes; encoding, because generated code makes three objects of each value,
// and every result has four.
import { BinaryReader, type BinaryWriter } from "@bufbuild/protobuf/wire";
import { isJsonArray, type JsonObject, type JsonValue, ownValue } from "../core/json.js";
import { wellFormed } from "./wire.js";

/** Levels of objects and arrays in a call's arguments. */
export const ARGUMENT_DEPTH_MAX = 64;
/** Levels in what we send; Python and C++ clients refuse a message that nests 100 deep, and a level is three of theirs. */
const SENT_DEPTH_MAX = 24;
const TOO_DEEP = "[nested too deeply]";

/** Tags of google.protobuf: a field's number, and the type that it has on the wire. */
const STRUCT_FIELDS = (1 << 3) | 2;
const [ENTRY_KEY, ENTRY_VALUE] = [(1 << 3) | 2, (2 << 3) | 2];
const [VALUE_NULL, VALUE_NUMBER, VALUE_STRING, VALUE_BOOL] = [(1 << 3) | 0, (2 << 3) | 1, (3 << 3) | 2, (4 << 3) | 0];
const [VALUE_STRUCT, VALUE_LIST] = [(5 << 3) | 2, (6 << 3) | 2];
const LIST_VALUES = (1 << 3) | 2;

/** Throws RangeError when nested deeper than ARGUMENT_DEPTH_MAX, or what BinaryReader throws for bytes that are no Struct. */
export function decodeStruct(bytes: Uint8Array): JsonObject {
  const reader = new BinaryReader(bytes);
  return readStruct(reader, reader.len, 1);
}

function readStruct(reader: BinaryReader, end: number, depth: number): JsonObject {
  if (depth > ARGUMENT_DEPTH_MAX) throw new RangeError(`nested more than ${ARGUMENT_DEPTH_MAX} levels deep`);
  const object: { [key: string]: JsonValue } = {};
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === STRUCT_FIELDS) readEntry(reader, endOfField(reader, end), depth, object);
    else skip(reader, tag, end);
  }
  return object;
}

function readEntry(reader: BinaryReader, end: number, depth: number, into: { [key: string]: JsonValue }): void {
  let key = "";
  let value: JsonValue = null;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === ENTRY_KEY) key = text(reader, end);
    else if (tag === ENTRY_VALUE) value = readValue(reader, endOfField(reader, end), depth);
    else skip(reader, tag, end);
  }
  setOwn(into, key, value);
}

function readValue(reader: BinaryReader, end: number, depth: number): JsonValue {
  let value: JsonValue = null;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === VALUE_NUMBER) value = finite(reader.double());
    else if (tag === VALUE_STRING) value = text(reader, end);
    else if (tag === VALUE_BOOL) value = reader.bool();
    else if (tag === VALUE_STRUCT) value = readStruct(reader, endOfField(reader, end), depth + 1);
    else if (tag === VALUE_LIST) value = readList(reader, endOfField(reader, end), depth + 1);
    else skip(reader, tag, end);
    if (reader.pos > end) throw premature();
  }
  return value;
}

function readList(reader: BinaryReader, end: number, depth: number): JsonValue {
  if (depth > ARGUMENT_DEPTH_MAX) throw new RangeError(`nested more than ${ARGUMENT_DEPTH_MAX} levels deep`);
  const list: JsonValue[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === LIST_VALUES) list.push(readValue(reader, endOfField(reader, end), depth));
    else skip(reader, tag, end);
  }
  return list;
}

/** Where the field that begins here ends, which is within what it is a part of. */
function endOfField(reader: BinaryReader, end: number): number {
  const length = reader.uint32();
  const own = reader.pos + length;
  if (own > end) throw premature();
  return own;
}

function text(reader: BinaryReader, end: number): string {
  const value = reader.string();
  if (reader.pos > end) throw premature();
  return value;
}

/** Of a field that we do not know, or of another type than it should be. */
function skip(reader: BinaryReader, tag: number, end: number): void {
  const number = tag >>> 3;
  if (number === 0) throw new RangeError(`no field has the number ${number}`);
  reader.skip(tag & 7, number);
  if (reader.pos > end) throw premature();
}

function premature(): RangeError {
  return new RangeError("premature end of message");
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
  if (depth >= SENT_DEPTH_MAX) return TOO_DEEP;
  if (isJsonArray(value)) return value.map((item) => sendableValue(item, depth + 1));
  return sendableObject(value, depth + 1);
}

/** Writes what `sendable` gives as the fields of a Struct. */
export function writeSendable(object: JsonObject, writer: BinaryWriter): BinaryWriter {
  return writeObject(object, writer, 1);
}

function writeObject(object: JsonObject, writer: BinaryWriter, depth: number): BinaryWriter {
  for (const key of Object.keys(object)) {
    writer.uint32(STRUCT_FIELDS).fork().uint32(ENTRY_KEY).string(wellFormed(key));
    writeValue(object[key] ?? null, writer.uint32(ENTRY_VALUE).fork(), depth).join();
    writer.join();
  }
  return writer;
}

function writeValue(value: JsonValue, writer: BinaryWriter, depth: number): BinaryWriter {
  if (typeof value === "string") return writer.uint32(VALUE_STRING).string(wellFormed(value));
  if (typeof value === "boolean") return writer.uint32(VALUE_BOOL).bool(value);
  if (typeof value === "number" && Number.isFinite(value)) return writer.uint32(VALUE_NUMBER).double(value);
  if (value === null || typeof value === "number") return writer.uint32(VALUE_NULL).int32(0);
  if (depth >= SENT_DEPTH_MAX) return writer.uint32(VALUE_STRING).string(TOO_DEEP);
  if (!isJsonArray(value)) return writeObject(value, writer.uint32(VALUE_STRUCT).fork(), depth + 1).join();
  writer.uint32(VALUE_LIST).fork();
  for (const item of value) writeValue(item, writer.uint32(LIST_VALUES).fork(), depth + 1).join();
  return writer.join();
}
