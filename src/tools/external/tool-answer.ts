// What a ToolServer answers to `POST /execute`, checked: `{success, output, error, metadata, uniq_id?}`.
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from "../../core/json.js";
import { type Answer, ExternalError } from "./external-outcome.js";

/** Throws ExternalError for what is no answer to the call named `uniqId`. */
export function readAnswer(body: JsonValue, uniqId: string): Answer {
  if (!isJsonObject(body)) throw new ExternalError("the answer is no JSON object");
  const answered = ownValue(body, "uniq_id") ?? uniqId;
  if (answered !== uniqId) throw new ExternalError("the answer has the uniq_id of another call");
  const success = ownValue(body, "success");
  if (typeof success !== "boolean") throw new ExternalError("success in the answer is no boolean");
  const metadata = ownValue(body, "metadata") ?? {};
  if (!isJsonObject(metadata)) throw new ExternalError("metadata in the answer is no object");
  return { success, output: text(body, "output"), error: text(body, "error"), metadata };
}

function text(body: JsonObject, name: string): string {
  const value = ownValue(body, name) ?? "";
  if (typeof value !== "string") throw new ExternalError(`${name} in the answer is no text`);
  return value;
}
