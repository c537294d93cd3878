// What it takes to make a result of a runner's outcome, as JSON text that the runner keeps with the call: so a server that
// comes later can finish what this one began.
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from "../core/json.js";

export interface CallContext {
  /** What the tool promised in the result's metadata. */
  readonly metadata: JsonObject;
  /** From acceptance until the call was handed to the batcher, in milliseconds. */
  readonly queueMs: number;
  /** Of a call that ran in another slot than the one whose runner keeps it. */
  readonly slotGeneration?: number;
}

/** A model may name arguments, and paths, of any length; a runner may not keep such. */
const CHARS_MAX = 16_384;

export function contextOf({ metadata, queueMs, slotGeneration }: CallContext): string {
  const text = JSON.stringify({ metadata, queueMs, slotGeneration });
  return text.length <= CHARS_MAX ? text : JSON.stringify({ metadata: {}, queueMs, slotGeneration });
}

/** A runner may have changed it: whatever it is, something comes of it. */
export function readContext(text: string): CallContext {
  try {
    const value: JsonValue = JSON.parse(text);
    const read = (key: string) => (isJsonObject(value) ? ownValue(value, key) : undefined);
    const [metadata, queueMs, slotGeneration] = [read("metadata"), read("queueMs"), read("slotGeneration")];
    return {
      metadata: isJsonObject(metadata) ? metadata : {},
      queueMs: typeof queueMs === "number" && queueMs >= 0 ? queueMs : 0,
      ...(typeof slotGeneration === "number" && { slotGeneration }),
    };
  } catch {
    return { metadata: {}, queueMs: 0 };
  }
}
