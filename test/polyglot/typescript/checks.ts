// Holds what came against what the table says; the first difference ends the scenario.
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Content, ExpectedEnd, ExpectedResult, Result } from "./table.js";
import { type Part, RpcFailure } from "./transport.js";

export function check(what: string, got: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(got, expected)) throw new Error(`${what} is ${short(got)}, not ${short(expected)}`);
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 300 ? text : `${text.slice(0, 300)}... (${text.length} characters)`;
}

/** The fields that `expected` has, under the same names. */
export function checkFields(got: object, expected: object, names: readonly string[]): void {
  for (const name of names) {
    if (Object.hasOwn(expected, name)) check(name, Reflect.get(got, name), Reflect.get(expected, name));
  }
}

export function checkResult(result: Result, expected: ExpectedResult | undefined): void {
  for (const [field, value] of Object.entries(expected ?? {})) {
    const what = `${result.uniq_id}: ${field} (error: ${short(result.error)})`;
    if (field === "metadata") {
      for (const [name, entry] of Object.entries(expected?.metadata ?? {}))
        check(`${what} ${name}`, result.metadata[name], entry);
    } else if (field === "output_repeat") {
      check(what, result.output, expected?.output_repeat?.text.repeat(expected.output_repeat.times));
    } else {
      if (!Object.hasOwn(result, field)) throw new Error(`a result has no field ${field}`);
      check(what, Reflect.get(result, field), value);
    }
  }
}

export function checkFailure(error: unknown, expected: ExpectedEnd): void {
  if (!(error instanceof RpcFailure)) throw error;
  check(`code (${error.message})`, error.code, expected.code);
  if (expected.reason !== undefined) check("details", error.infos, [{ reason: expected.reason, domain: "switchyard" }]);
}

export function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** The data of a download and its trailer, after a look at the order and size of its parts. */
export function dataOf(parts: readonly Part[], hasHeader: boolean) {
  const [trailer, ...more] = parts.filter((part) => part.part === "trailer");
  const data = parts.flatMap((part) => (part.part === "data" ? [part.data] : []));
  const order = parts.map(({ part }) => part);
  check("parts", order, [...(hasHeader ? ["header"] : []), ...data.map(() => "data"), "trailer"]);
  if (trailer === undefined || more.length > 0) throw new Error("not one trailer");
  check(
    "whether chunks are of 1 to 65536 bytes",
    data.every(({ length }) => length >= 1 && length <= 65_536),
    true,
  );
  const whole = Buffer.concat(data);
  check("trailer.bytes", trailer.bytes, whole.length);
  check("trailer.sha256", trailer.sha256, sha256(whole));
  return { data: whole, trailer };
}

export function contentOf({ text, random }: Content, archive: Buffer): Buffer {
  if (text !== undefined) return Buffer.from(text);
  return random === undefined ? archive : randomBytes(random.seed, random.bytes);
}

function randomBytes(seed: number, bytes: number): Buffer {
  const out = Buffer.alloc(Math.ceil(bytes / 4) * 4);
  let state = seed;
  for (let at = 0; at < out.length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out.writeUInt32LE(state, at);
  }
  return out.subarray(0, bytes);
}
