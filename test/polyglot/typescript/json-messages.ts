// Messages as plain objects with the proto's own names in camelCase, which is what proto-loader takes and gives, and, with
// other forms for the few types that JSON lacks, what grpcurl and buf curl do.
import { isJsonObject, type JsonObject, type JsonValue } from "../../../src/core/json.js";
import type { Entry, Result } from "./table.js";
import type {
  CallRequest,
  OpenRequest,
  Owner,
  Part,
  PathRequest,
  Received,
  Status,
  Tool,
  UploadHeader,
} from "./transport.js";

export type Message = Readonly<Record<string, unknown>>;

/** How the types look that JSON lacks. */
export interface Forms {
  struct(value: JsonObject): unknown;
  fromStruct(value: unknown): JsonObject;
  duration(seconds: number): unknown;
  fromDuration(value: unknown): number;
  bytes(value: Buffer): unknown;
  fromBytes(value: unknown): Buffer;
}

export function requestsOf(forms: Forms) {
  const duration = (name: string, seconds: number | undefined) =>
    seconds === undefined ? {} : { [name]: forms.duration(seconds) };
  const owned = ({ trajectory_id, resume_token }: Owner) => ({
    trajectoryId: trajectory_id,
    resumeToken: resume_token,
  });
  const given = (fields: Message) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  return {
    open: (request: OpenRequest): Message => ({
      ...owned(request),
      ...given({
        group: request.group,
        pool: request.pool,
        env: request.env,
        acquireSlot: request.acquire_slot,
        requireResume: request.require_resume,
        outputPositions: request.output_positions?.map((position) => ({
          uniqId: position.uniq_id,
          stdoutOffset: position.stdout_offset,
          stderrOffset: position.stderr_offset,
        })),
      }),
      ...duration("lease", request.lease_s),
    }),
    call: (request: CallRequest): Message => ({
      uniqId: request.uniq_id,
      name: request.name,
      arguments: forms.struct(request.arguments ?? {}),
      ...given({ streamOutput: request.stream_output, slotGeneration: request.slot_generation }),
      ...duration("timeout", request.timeout_s),
      ...duration("queueTimeout", request.queue_timeout_s),
      ...duration("noOutputTimeout", request.no_output_timeout_s),
    }),
    uploadHeader: (header: UploadHeader): Message => ({
      ...owned(header),
      path: header.path,
      kind: header.kind,
      ...given({ mode: header.mode }),
    }),
    path: (
      request: PathRequest & { recursive?: boolean; offset?: number | undefined; max_bytes?: number | undefined },
    ): Message => ({
      ...owned(request),
      path: request.path,
      ...given({ recursive: request.recursive, offset: request.offset, maxBytes: request.max_bytes }),
    }),
    owned,
  };
}

/** Fields that JSON leaves out are empty, 0 or false. */
export function answersOf(forms: Forms) {
  const result = (message: Message): Result => ({
    uniq_id: text(message.uniqId),
    status: text(message.status),
    fault: text(message.fault),
    success: message.success === true,
    output: text(message.output),
    error: text(message.error),
    exit_code: typeof message.exitCode === "number" ? message.exitCode : null,
    signal: text(message.signal),
    output_bytes_total: number(message.outputBytesTotal),
    truncated: message.truncated === true,
    slot_generation: number(message.slotGeneration),
    metadata: forms.fromStruct(message.metadata ?? {}),
  });
  return {
    result,
    received: (response: Message): Received => {
      const frame = (name: string) => (isMessage(response[name]) ? response[name] : undefined);
      const [opened, output, ended, rejected, released] = ["opened", "output", "result", "rejected", "released"].map(
        frame,
      );
      if (opened) {
        const known = list(opened.known).map((call) => [text(call.uniqId), text(call.state)]);
        const numbers = { epoch: number(opened.epoch), slot_generation: number(opened.slotGeneration) };
        const lease_s = forms.fromDuration(opened.lease);
        return {
          kind: "opened",
          opened: { resumed: opened.resumed === true, ...numbers, lease_s, known: Object.fromEntries(known) },
        };
      }
      if (output) {
        const [uniq_id, channel] = [text(output.uniqId), text(output.channel)];
        const [offset, missing] = [number(output.offset), number(output.missing)];
        return { kind: "output", uniq_id, channel, offset, missing, data: forms.fromBytes(output.data ?? "") };
      }
      if (ended) return { kind: "result", result: result(ended) };
      if (rejected) {
        const [uniq_id, error] = [text(rejected.uniqId), text(rejected.error)];
        return { kind: "rejected", uniq_id, status: text(rejected.status), fault: text(rejected.fault), error };
      }
      return released ? { kind: "released", wiped: released.wiped === true } : { kind: "other" };
    },
    released: (answer: Message) => ({ released: number(answer.released), wiped: answer.wiped === true }),
    tools: (answer: Message): Tool[] =>
      list(answer.tools).map(({ name, external, parameters }) => ({
        name: text(name),
        external: external === true,
        parameters: forms.fromStruct(parameters ?? {}),
      })),
    status: (answer: Message): Status => ({
      version: text(answer.version),
      server_id: text(answer.serverId),
      pools: list(answer.pools).map(({ name, slotsTotal }) => ({ name: text(name), slots_total: number(slotsTotal) })),
    }),
    written: (answer: Message) => ({
      sha256: forms.fromBytes(answer.sha256).toString("hex"),
      entries: number(answer.entries),
    }),
    entries: (answer: Message): Entry[] =>
      list(answer.entries).map(({ path, type, size }) => ({ path: text(path), type: text(type), size: number(size) })),
    part: ({ header, data, trailer }: Message): Part => {
      if (isMessage(header)) {
        return {
          part: "header",
          size: number(header.size),
          mime_type: text(header.mimeType),
          mode: number(header.mode),
        };
      }
      if (!isMessage(trailer)) return { part: "data", data: forms.fromBytes(data) };
      const sha256 = forms.fromBytes(trailer.sha256).toString("hex");
      const [bytes, entries] = [number(trailer.bytes), number(trailer.entries)];
      return { part: "trailer", sha256, bytes, truncated: trailer.truncated === true, entries };
    },
  };
}

export function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && !Buffer.isBuffer(value);
}

function list(value: unknown): Message[] {
  return Array.isArray(value) ? value.filter(isMessage) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** 64-bit numbers come as text. */
export function number(value: unknown): number {
  return Number(value ?? 0);
}

/** Proto's own JSON, as grpcurl and buf curl read and write it. */
export const PROTO_JSON: Forms = {
  struct: (value) => value,
  fromStruct: (value) => {
    const copy: JsonValue = JSON.parse(JSON.stringify(value));
    return isJsonObject(copy) ? copy : {};
  },
  duration: (seconds) => `${seconds.toFixed(9)}s`,
  fromDuration: (value) => Number.parseFloat(text(value) || "0"),
  bytes: (value) => value.toString("base64"),
  fromBytes: (value) => Buffer.from(text(value), "base64"),
};
