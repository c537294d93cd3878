// A frame of output, encoded in parts: its bytes are copied once, into the frame, where generated code would copy them for each
// message that they are in.
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Output, RunnerFrame } from "../gen/switchyard/runner/v1/runner.js";

/** Tags of length-delimited fields: RunnerFrame.output, Output.data. */
const FRAME_OUTPUT = (30 << 3) | 2;
const OUTPUT_DATA = (6 << 3) | 2;
const NOTHING: Buffer = Buffer.alloc(0);

/** Any frame of a runner. */
export function encodeRunnerFrame(message: RunnerFrame): Uint8Array | readonly Uint8Array[] {
  const { frame } = message;
  if (frame?.$case !== "output") return RunnerFrame.encode(message).finish();
  const { data } = frame.value;
  const fields = Output.encode({ ...frame.value, data: NOTHING }).finish();
  const dataHead = new BinaryWriter().uint32(OUTPUT_DATA).uint32(data.length).finish();
  const length = fields.length + dataHead.length + data.length;
  return [new BinaryWriter().uint32(FRAME_OUTPUT).uint32(length).raw(fields).raw(dataHead).finish(), data];
}
