import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { splitAttachStream } from "../../src/backend/docker/attach-stream.js";

function message(kind: number, content: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = kind;
  header.writeUInt32BE(Buffer.byteLength(content), 4);
  return Buffer.concat([header, Buffer.from(content)]);
}

async function split(chunks: readonly Buffer[]): Promise<string[]> {
  const stream = new PassThrough();
  const { stdout, stderr } = splitAttachStream(stream);
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  return Promise.all([text(stdout), text(stderr)]);
}

const STREAM = Buffer.concat([
  message(1, "one "),
  message(2, "oops"),
  message(1, ""),
  message(1, "two"),
  message(2, "!"),
]);

test("stdout and stderr come apart, in whatever pieces the stream arrives", async () => {
  for (const size of [1, 3, 8, 9, 100]) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < STREAM.length; at += size) chunks.push(STREAM.subarray(at, at + size));
    assert.deepEqual(await split(chunks), ["one two", "oops!"], `pieces of ${size} bytes`);
  }
});

test("a hundred thousand messages of one byte in one chunk are only many", async () => {
  const [stdout] = await split([Buffer.concat(Array.from({ length: 100_000 }, () => message(1, "x")))]);
  assert.equal(stdout?.length, 100_000);
});

test("a stream that is none of Docker's ends with an error", async () => {
  await assert.rejects(split([Buffer.from("plain text from a terminal")]), /Docker sent output of kind 112/);
});
