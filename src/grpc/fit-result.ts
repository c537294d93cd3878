// Cuts a result that is over the size of a response message: first its error, then its metadata, then its output, each
// flagged. What no message can hold is rare (a huge `output.chars_max`, a chatty external tool), so this may be slow.
import { Struct } from "../gen/google/protobuf/struct.js";
import { ToolResult } from "../gen/switchyard/v1/call.js";
import { headOf, tailOf } from "./wire.js";

const RESULT_BYTES_MAX = 1024 * 1024 - 1024;
const ERROR_BYTES_MAX = 64 * 1024;
const METADATA_BYTES_MAX = 128 * 1024;
/** More than the line that says how many bytes are missing. */
const NOTICE_BYTES = 128;

export function fittedResult(result: ToolResult): ToolResult {
  const errorCut = Buffer.byteLength(result.error) > ERROR_BYTES_MAX;
  const error = errorCut ? `${headOf(result.error, ERROR_BYTES_MAX)} [truncated]` : result.error;
  const metadata = fittedMetadata(result.metadata ?? {});
  if (errorCut) metadata.error_truncated = true;
  const cut: ToolResult = { ...result, error, metadata };

  const excess = ToolResult.encode(cut).finish().length - RESULT_BYTES_MAX;
  if (excess <= 0) return cut;
  const room = Buffer.byteLength(cut.output) - excess - NOTICE_BYTES;
  return { ...cut, output: headAndTail(cut.output, room), truncated: true };
}

/** Keeps the smallest entries that fit, in their order. */
function fittedMetadata(metadata: NonNullable<ToolResult["metadata"]>): NonNullable<ToolResult["metadata"]> {
  const sizes = new Map(Object.keys(metadata).map((key) => [key, entrySize(key, metadata[key])]));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  if (total <= METADATA_BYTES_MAX) return { ...metadata };

  const kept: NonNullable<ToolResult["metadata"]> = { metadata_truncated: true };
  let room = METADATA_BYTES_MAX;
  for (const [key, size] of [...sizes].sort(([, a], [, b]) => a - b)) {
    room -= size;
    if (room < 0) break;
    kept[key] = metadata[key];
  }
  return kept;
}

function entrySize(key: string, value: unknown): number {
  return Struct.encode(Struct.wrap({ [key]: value })).finish().length;
}

function headAndTail(text: string, bytesMax: number): string {
  const room = Math.max(0, bytesMax);
  const missing = Buffer.byteLength(text) - room;
  const head = headOf(text, Math.ceil(room / 2));
  const tail = tailOf(text, Math.floor(room / 2));
  return `${head}\n[${missing} bytes truncated]\n${tail}`;
}
