// Frames of a runner. One of output is encoded in parts and decoded in place: its bytes are copied once, into the frame, where
// generated code would copy them for each message that they are in, and again where they arrive.
// Invariant: any bytes decode to what generated code makes of them.
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { encoderWith } from "../core/kept-writer.js";
import { Output, RunnerFrame } from "../gen/switchyard/runner/v1/runner.js";

/** Tags of length-delimited fields: RunnerFrame.output, Output.data. */
const FRAME_OUTPUT = (30 << 3) | WireType.LengthDelimited;
const OUTPUT_DATA = (6 << 3) | WireType.LengthDelimited;
/** Of Output's other fields. */
const FIELDS_BEFORE: ReadonlySet<number> = new Set([
  (1 << 3) | WireType.Varint,
  (2 << 3) | WireType.LengthDelimited,
  (3 << 3) | WireType.Varint,
  (4 << 3) | WireType.Varint,
  (5 << 3) | WireType.Varint,
]);
const NOTHING: Buffer = Buffer.alloc(0);
const encodeWith = encoderWith(() => new BinaryWriter());

/** Any frame of a runner. */
export function encodeRunnerFrame(message: RunnerFrame): Uint8Array | readonly Uint8Array[] {
  const { frame } = message;
  if (frame?.$case !== "output") return encodeWith((writer) => RunnerFrame.encode(message, writer));
  const { data } = frame.value;
  const fields = Output.encode({ ...frame.value, data: NOTHING }).finish();
  const dataHead = new BinaryWriter().uint32(OUTPUT_DATA).uint32(data.length).finish();
  const length = fields.length + dataHead.length + data.length;
  return [new BinaryWriter().uint32(FRAME_OUTPUT).uint32(length).raw(fields).raw(dataHead).finish(), data];
}

/** Any frame of a runner; throws for bytes that are none. */
export function decodeRunnerFrame(bytes: Uint8Array): RunnerFrame {
  const output = soleOutput(bytes);
  const parts = output && partsOf(output);
  if (parts === undefined) return RunnerFrame.decode(bytes);
  const value = Output.decode(parts.fields);
  value.data = kept(parts.data);
  return { frame: { $case: "output", value } };
}

/** The Output that a frame consists of; undefined for any other frame. */
function soleOutput(frame: Uint8Array): Uint8Array | undefined {
  const reader = new BinaryReader(frame);
  if (frame.length === 0 || reader.uint32() !== FRAME_OUTPUT) return undefined;
  const length = reader.uint32();
  return reader.pos + length === frame.length ? frame.subarray(reader.pos) : undefined;
}

/** Undefined where its data is not last, after the other fields, as a runner of ours writes it. */
function partsOf(output: Uint8Array): { readonly fields: Uint8Array; readonly data: Uint8Array } | undefined {
  const reader = new BinaryReader(output);
  while (reader.pos < output.length) {
    const fields = output.subarray(0, reader.pos);
    const tag = reader.uint32();
    if (tag === OUTPUT_DATA) {
      const length = reader.uint32();
      return length === output.length - reader.pos ? { fields, data: output.subarray(reader.pos) } : undefined;
    }
    if (!FIELDS_BEFORE.has(tag)) return undefined;
    reader.skip(tag & 7);
  }
  return undefined;
}

/** A view where it is most of the memory that it keeps alive, so that small pieces cost no more than their bytes. */
function kept(data: Uint8Array): Buffer {
  const isMost = data.buffer.byteLength < 2 * data.length;
  return isMost ? Buffer.from(data.buffer, data.byteOffset, data.length) : Buffer.from(data);
}
