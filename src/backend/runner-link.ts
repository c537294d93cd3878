// Opens the server's end of a link over whatever byte streams a backend has to its runner.
import type { Readable, Writable } from "node:stream";
import { RunnerFrame, ServerFrame } from "../gen/switchyard/runner/v1/runner.js";
import { RUNNER_FRAME_BYTES_MAX } from "../link/frames.js";
import { Link } from "../link/link.js";

export function openRunnerLink(
  fromRunner: Readable,
  toRunner: Writable,
  nonce: string,
): Link<ServerFrame, RunnerFrame> {
  return new Link<ServerFrame, RunnerFrame>(fromRunner, toRunner, nonce, {
    encode: (frame) => ServerFrame.encode(frame).finish(),
    decode: (bytes) => RunnerFrame.decode(bytes),
    bytesMax: RUNNER_FRAME_BYTES_MAX,
  });
}
