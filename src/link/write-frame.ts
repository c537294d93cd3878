// A batch that is one call of write_file, encoded in parts: the content is copied once, into the link's frame, where generated code
// would move it for each of the four messages that it is in.
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { RunBatch, RunCall, ServerFrame, WriteFile } from "../gen/switchyard/runner/v1/runner.js";

/** Tags of length-delimited fields: ServerFrame.run_batch, RunBatch.calls, RunCall.write_file, WriteFile.content. */
const FRAME_BATCH = (5 << 3) | WireType.LengthDelimited;
const BATCH_CALLS = (2 << 3) | WireType.LengthDelimited;
const CALL_WRITE = (6 << 3) | WireType.LengthDelimited;
const WRITE_CONTENT = (2 << 3) | WireType.LengthDelimited;
const NOTHING: Buffer = Buffer.alloc(0);

/** Any frame of a server. */
export function encodeServerFrame(message: ServerFrame): Uint8Array | readonly Uint8Array[] {
  const { frame } = message;
  const [call, ...more] = frame?.$case === "runBatch" ? frame.value.calls : [];
  if (frame?.$case !== "runBatch" || call?.operation?.$case !== "writeFile" || more.length > 0) {
    return ServerFrame.encode(message).finish();
  }
  const { content } = call.operation.value;
  const file = WriteFile.encode({ ...call.operation.value, content: NOTHING }).finish();
  // From the innermost message to the frame: each begins with what it has beside the next, and ends with the content.
  let head = headOf(file, WRITE_CONTENT, content.length);
  head = headOf(
    RunCall.encode({ ...call, operation: undefined }).finish(),
    CALL_WRITE,
    head.length + content.length,
    head,
  );
  head = headOf(
    RunBatch.encode({ ...frame.value, calls: [] }).finish(),
    BATCH_CALLS,
    head.length + content.length,
    head,
  );
  head = headOf(NOTHING, FRAME_BATCH, head.length + content.length, head);
  return [head, content];
}

/** A message's other fields, then the beginning of one of so many bytes. */
function headOf(fields: Uint8Array, tag: number, length: number, inner: Uint8Array = NOTHING): Uint8Array {
  return new BinaryWriter().raw(fields).uint32(tag).uint32(length).raw(inner).finish();
}
