// What an external server said, as the outcome of a call: bounded, and free of secrets.
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue, ownValue } from "../../core/json.js";
import { failedOutcome, type Outcome } from "../../core/outcome.js";
import type { Secrets } from "./secrets.js";

/** Why an external server is of no use to a call; the message is for people and free of secrets. */
export class ExternalError extends Error {}

export interface Answer {
  readonly success: boolean;
  readonly output: string;
  /** Of a tool that says no; may be empty. */
  readonly error: string;
  readonly metadata: JsonObject;
}

const METADATA_CHARS_MAX = 16_384;
const METADATA_DEPTH_MAX = 16;
const WHY_CHARS_MAX = 500;

export function externalFailed(why: string): Outcome {
  return failedOutcome("EXTERNAL_FAILED", `External tool failed: ${why}`);
}

export function outcomeOf(answer: Answer, secrets: Secrets, charsMax: number): Outcome {
  const whole = secrets.redact(answer.output);
  const output = keepEnds(whole, charsMax);
  const metadata = boundedObject(answer.metadata, secrets, METADATA_CHARS_MAX) ?? { metadata_truncated: true };
  const said = keepEnds(secrets.redact(answer.error), charsMax);
  const base = failedOutcome("TOOL_FAILED", said || "The tool failed and did not say why", metadata);
  const outcome = { ...base, output, outputBytes: Buffer.byteLength(whole), truncated: output !== whole };
  return answer.success ? { ...outcome, status: "OK", error: "" } : outcome;
}

/** At most `charsMax` characters: head and tail, with a note of how many bytes are missing between them. */
export function keepEnds(text: string, charsMax: number): string {
  if (text.length <= charsMax || characters(text) <= charsMax) return text;
  const note = (bytes: number) => `\n[... ${bytes} bytes missing ...]\n`;
  const room = Math.max(2, charsMax - note(Buffer.byteLength(text)).length);
  const head = [...text.slice(0, room + 1)].slice(0, Math.ceil(room / 2)).join("");
  const tail = [...text.slice(-room - 1)].slice(-Math.floor(room / 2)).join("");
  const missing = Buffer.byteLength(text) - Buffer.byteLength(head) - Buffer.byteLength(tail);
  return head + note(missing) + tail;
}

function characters(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** A copy without secrets; undefined when its JSON would be longer than `charsMax`, or too deep. */
export function boundedObject(value: JsonObject, secrets: Secrets, charsMax: number): JsonObject | undefined {
  let left = charsMax;
  const copy = (from: JsonValue, depth: number): JsonValue => {
    if (depth > METADATA_DEPTH_MAX) throw new RangeError("too deep");
    if (typeof from === "string") {
      spend(from.length + 2);
      return secrets.redact(from);
    }
    spend(6);
    if (isJsonArray(from)) return from.map((item) => copy(item, depth + 1));
    if (!isJsonObject(from)) return from;
    const members = Object.keys(from).map((key): [string, JsonValue] => {
      spend(key.length + 4);
      return [secrets.redact(key), copy(ownValue(from, key) ?? null, depth + 1)];
    });
    return Object.fromEntries(members);
  };
  const spend = (chars: number): void => {
    left -= chars;
    if (left < 0) throw new RangeError("too long");
  };
  try {
    const copied = copy(value, 1);
    return isJsonObject(copied) ? copied : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** One printable line of what somebody else wrote. */
export function briefly(text: string, secrets: Secrets, charsMax = WHY_CHARS_MAX): string {
  const line = secrets
    .redact(text)
    .replace(/[\s\p{C}]+/gu, " ")
    .trim();
  return line.length <= charsMax ? line : `${line.slice(0, charsMax)}...`;
}
