// Records as a slot writes them, by hand.

/** A letter and its body. */
export function record(letter: string, body: Buffer | string = ""): Buffer {
  const head = Buffer.alloc(5);
  head.write(letter, "latin1");
  head.writeUInt32BE(Buffer.byteLength(body), 1);
  return Buffer.concat([head, Buffer.from(body)]);
}

/** Of an entry without a name. */
export function entryBody(type: string, mode = 0o644): Buffer {
  const body = Buffer.alloc(29, 0);
  body.write(type, "latin1");
  body.writeUInt32BE(mode, 1);
  return body;
}
