// The table by proto-loader, without generated code: messages are plain objects, checked by nothing but the wire.
import { resolve } from "node:path";
import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { isJsonArray, type JsonObject, type JsonValue } from "../../../src/core/json.js";
import {
  type Answer,
  askHealth,
  callSettings,
  credentialsOf,
  download,
  GrpcJsStream,
  streamSettings,
  unary,
  upload,
  withClient,
} from "./grpc-js.js";
import { answersOf, type Forms, isMessage, type Message, number, requestsOf } from "./json-messages.js";
import { main, type Server } from "./main.js";
import type { CallRequest, OpenRequest, Received, RequestOptions, Stream, Transport } from "./transport.js";

const PROTO = resolve(import.meta.dirname, "../../../proto");
const FILES = ["switchyard/v1/tool_executor_service.proto", "switchyard/v1/artifact_service.proto"];

const services = loadPackageDefinition(
  loadSync(FILES, { includeDirs: [PROTO], longs: String, enums: String, defaults: true, oneofs: true }),
);

function service(name: string): ServiceClientConstructor {
  let found: GrpcObject | GrpcObject[string] | undefined = services;
  for (const part of ["switchyard", "v1", name]) found = Reflect.get(Object(found), part);
  if (typeof found !== "function" || !("service" in found)) throw new Error(`proto-loader found no service ${name}`);
  return found;
}

const ToolExecutorService = service("ToolExecutorService");
const ArtifactService = service("ArtifactService");

/** proto-loader knows nothing of google.protobuf.Struct's JSON: its fields are spelled out. */
const FORMS: Forms = {
  struct: structOf,
  fromStruct: (value) => (isMessage(value) ? plainStruct(value) : {}),
  duration: (seconds) => {
    const nanos = Math.round(seconds * 1e9);
    return { seconds: Math.trunc(nanos / 1e9), nanos: nanos % 1e9 };
  },
  fromDuration: (value) => (isMessage(value) ? number(value.seconds) + number(value.nanos) / 1e9 : 0),
  bytes: (value) => value,
  fromBytes: (value) => (Buffer.isBuffer(value) ? value : Buffer.alloc(0)),
};

function structOf(value: JsonObject): Message {
  return { fields: Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, wireValue(entry)])) };
}

function wireValue(value: JsonValue | undefined): Message {
  if (value === null || value === undefined) return { nullValue: "NULL_VALUE" };
  if (typeof value === "number") return { numberValue: value };
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (isJsonArray(value)) return { listValue: { values: value.map(wireValue) } };
  return { structValue: structOf(value) };
}

function plainStruct({ fields }: Message): JsonObject {
  const entries = isMessage(fields) ? Object.entries(fields) : [];
  return Object.fromEntries(entries.map(([name, value]) => [name, isMessage(value) ? plain(value) : null]));
}

function plain(value: Message): JsonValue {
  const { kind, numberValue, stringValue, boolValue, listValue, structValue } = value;
  if (kind === "numberValue" && typeof numberValue === "number") return numberValue;
  if (kind === "stringValue" && typeof stringValue === "string") return stringValue;
  if (kind === "boolValue" && typeof boolValue === "boolean") return boolValue;
  if (kind === "structValue" && isMessage(structValue)) return plainStruct(structValue);
  if (kind !== "listValue" || !isMessage(listValue) || !Array.isArray(listValue.values)) return null;
  return listValue.values.map((entry) => (isMessage(entry) ? plain(entry) : null));
}

const requests = requestsOf(FORMS);
const answers = answersOf(FORMS);

/** Clients of proto-loader have their methods by name, and no types. */
function method<T>(client: Client, name: string, ...args: readonly unknown[]): T {
  const found: unknown = Reflect.get(client, name);
  if (typeof found !== "function") throw new Error(`no method ${name}`);
  return found.apply(client, args);
}

class LoaderStream implements Stream {
  readonly #stream: GrpcJsStream<Message, Message>;

  constructor(server: Server, bearer: string | undefined) {
    const client = new ToolExecutorService(server.address, credentialsOf(server));
    const call = method<ClientDuplexStream<Message, Message>>(
      client,
      "runTrajectory",
      ...streamSettings(server, bearer),
    );
    this.#stream = new GrpcJsStream(client, call);
  }

  open(request: OpenRequest): void {
    this.#stream.call.write({ open: requests.open(request) });
  }

  call(request: CallRequest): void {
    this.#stream.call.write({ call: requests.call(request) });
  }

  cancel(uniqId: string): void {
    this.#stream.call.write({ cancel: { uniqId } });
  }

  ack(uniqIds: readonly string[]): void {
    this.#stream.call.write({ ack: { uniqIds } });
  }

  release(resetWorkspace: boolean): void {
    this.#stream.call.write({ release: { resetWorkspace } });
  }

  halfClose(): void {
    this.#stream.call.end();
  }

  cut(): void {
    this.#stream.cut();
  }

  async receive(): Promise<Received | undefined> {
    const response = await this.#stream.next();
    return response && answers.received(response);
  }
}

function connect(server: Server): Transport {
  const asked = (Service: ServiceClientConstructor, name: string, request: Message, options: RequestOptions) =>
    withClient(new Service(server.address, credentialsOf(server)), (client) =>
      unary<Message>((done) => method<ClientUnaryCall>(client, name, request, ...callSettings(server, options), done)),
    );
  const downloaded = (name: string, request: Message, options: RequestOptions) =>
    withClient(new ArtifactService(server.address, credentialsOf(server)), async (client) => {
      const settings = callSettings(server, options);
      const parts = await download(method<ClientReadableStream<Message>>(client, name, request, ...settings));
      return parts.map(answers.part);
    });
  return {
    begin: (bearer) => new LoaderStream(server, bearer),
    execute: async ({ call, ...owner }, options) => {
      const request = { ...requests.owned(owner), call: requests.call(call) };
      const { result } = await asked(ToolExecutorService, "execute", request, options);
      if (!isMessage(result)) throw new Error("an ExecuteResponse without a result");
      return answers.result(result);
    },
    release: async ({ trajectory_id, group, resume_token, reset_workspace }, options) => {
      const target = group === undefined ? { trajectoryId: trajectory_id } : { group };
      const request = { ...target, resumeToken: resume_token, resetWorkspace: reset_workspace };
      return answers.released(await asked(ToolExecutorService, "releaseTrajectory", request, options));
    },
    listTools: async (options) => answers.tools(await asked(ToolExecutorService, "listTools", {}, options)),
    status: async (options) => answers.status(await asked(ToolExecutorService, "getStatus", {}, options)),
    health: (name, options) => askHealth(server, name, options),
    write: (header, chunks, options) =>
      withClient(new ArtifactService(server.address, credentialsOf(server)), async (client) => {
        const messages = [{ header: requests.uploadHeader(header) }, ...chunks.map((data) => ({ data }))];
        const settings = callSettings(server, options);
        const start = (done: Answer<Message>) =>
          method<ClientWritableStream<Message>>(client, "writeArtifact", ...settings, done);
        return answers.written(await upload(start, messages));
      }),
    read: (request, options) => downloaded("readArtifact", requests.path(request), options),
    list: async (request, options) =>
      answers.entries(await asked(ArtifactService, "listArtifacts", requests.path(request), options)),
    archive: (request, options) => downloaded("archiveArtifacts", requests.path(request), options),
  };
}

await main(connect);
