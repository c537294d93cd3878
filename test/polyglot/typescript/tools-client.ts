// The table by grpcurl or buf curl, as a person would type it: requests as JSON on stdin, the API by reflection, a process per
// stream or request. A cut is a SIGKILL. Run with the name of the tool.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { errorInfoOf } from "./error-info.js";
import { answersOf, isMessage, type Message, PROTO_JSON, requestsOf } from "./json-messages.js";
import { authorization, main, type Server } from "./main.js";
import {
  type CallRequest,
  codeName,
  type OpenRequest,
  type Received,
  type RequestOptions,
  RpcFailure,
  type Stream,
  type Transport,
} from "./transport.js";

const TOOLS = "switchyard.v1.ToolExecutorService";
const ARTIFACTS = "switchyard.v1.ArtifactService";
const HEALTH = "grpc.health.v1.Health";
const STREAM_TIMEOUT_S = 60;
/** The tools wait for the end of their input also when their deadline has passed. */
const RUN_MAX_MS = 90_000;
/** The numbers of gRPC's status codes, in their order. */
const CODES = [
  ...["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"],
  ...["PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"],
  ...["INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"],
];

const requests = requestsOf(PROTO_JSON);
const answers = answersOf(PROTO_JSON);

interface Target extends RequestOptions {
  readonly service: string;
  readonly method: string;
}

type CommandLine = (server: Server, target: Target) => string[];

/** Reflection always has the client's own token. */
function headersOf(flag: string, server: Server, bearer?: string): string[] {
  const value = authorization(server, bearer);
  return value === undefined ? [] : [flag, `authorization: ${value}`];
}

const COMMANDS: Readonly<Record<string, CommandLine>> = {
  grpcurl: (server, { service, method, deadlineS, bearer }) => {
    const security = server.caFile === undefined ? ["-plaintext"] : ["-cacert", server.caFile];
    const header = [...headersOf("-reflect-header", server), ...headersOf("-rpc-header", server, bearer)];
    const flags = ["-format-error", "-max-time", String(deadlineS), "-d", "@"];
    return ["grpcurl", ...security, ...header, ...flags, server.address, `${service}/${method}`];
  },
  buf: (server, { service, method, deadlineS, bearer }) => {
    const security = server.caFile === undefined ? ["--http2-prior-knowledge"] : ["--cacert", server.caFile];
    const header = [...headersOf("--reflect-header", server), ...headersOf("-H", server, bearer)];
    const flags = ["--protocol", "grpc", "--timeout", `${deadlineS}s`, "-d", "@-"];
    const scheme = server.caFile === undefined ? "http" : "https";
    return ["buf", "curl", ...security, ...header, ...flags, `${scheme}://${server.address}/${service}/${method}`];
  },
};

/** One run of the tool: messages in by `send`, messages out by `next`, in their order. */
class Run {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #messages: Message[] = [];
  readonly #exited: Promise<number | null>;
  /** Of the message that is not whole yet: its lines, and the line that is not. */
  #begun = "";
  #line = "";
  #stderr = "";
  #over = false;
  #changed: () => void = () => undefined;

  constructor([program = "", ...args]: readonly string[]) {
    const overdue = setTimeout(() => this.kill(), RUN_MAX_MS);
    // A group of its own: buf is a program behind a program.
    this.#child = spawn(program, args, { stdio: "pipe", detached: true });
    this.#child.stdin.on("error", () => undefined); // It ended before it had read all; its status says why.
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => this.#take(text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#exited = once(this.#child, "close").then(([code]) => {
      clearTimeout(overdue);
      this.#over = true;
      this.#changed();
      return code;
    });
  }

  send(message: Message): void {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  end(): void {
    this.#child.stdin.end();
  }

  kill(): void {
    if (!this.#over && this.#child.pid !== undefined) process.kill(-this.#child.pid, "SIGKILL");
  }

  async next(): Promise<Message | undefined> {
    while (this.#messages.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    if (this.#messages.length > 0) return this.#messages.shift();
    const code = await this.#exited;
    if (code === 0) return undefined;
    throw failureOf(this.#stderr);
  }

  /** Messages come printed over several lines, the last of which is a brace that nothing stands before, or on one: `{}`. */
  #take(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) {
      this.#begun += line;
      if (line !== "}" && line !== "{}") continue;
      this.#messages.push(JSON.parse(this.#begun));
      this.#begun = "";
    }
    this.#changed();
  }
}

/** Both print a google.rpc.Status as JSON, each in its own way. */
function failureOf(stderr: string): Error {
  const begin = stderr.indexOf("{");
  if (begin < 0) return new Error(`no status on stderr: ${stderr.slice(0, 1000)}`);
  const status: { code: number | string; message?: string; details?: readonly unknown[] } = JSON.parse(
    stderr.slice(begin),
  );
  const code = typeof status.code === "number" ? CODES[status.code] : codeName(status.code);
  return new RpcFailure(code ?? String(status.code), status.message ?? "", (status.details ?? []).map(infoOf));
}

function infoOf(detail: unknown): { reason: string; domain: string } | undefined {
  if (!isMessage(detail)) return undefined;
  const type = String(detail["@type"] ?? detail.type);
  if (!type.endsWith("google.rpc.ErrorInfo")) return undefined;
  if (typeof detail.reason === "string") return { reason: detail.reason, domain: String(detail.domain) };
  return errorInfoOf(Buffer.from(String(detail["@value"] ?? detail.value), "base64"));
}

class ToolStream implements Stream {
  readonly #run: Run;

  constructor(command: readonly string[]) {
    this.#run = new Run(command);
  }

  open(request: OpenRequest): void {
    this.#run.send({ open: requests.open(request) });
  }

  call(request: CallRequest): void {
    this.#run.send({ call: requests.call(request) });
  }

  cancel(uniqId: string): void {
    this.#run.send({ cancel: { uniqId } });
  }

  ack(uniqIds: readonly string[]): void {
    this.#run.send({ ack: { uniqIds } });
  }

  release(resetWorkspace: boolean): void {
    this.#run.send({ release: { resetWorkspace } });
  }

  halfClose(): void {
    this.#run.end();
  }

  /** Both read their input to its end before they say how the stream ended, even when that was long ago. */
  expectEnd(): void {
    this.#run.end();
  }

  cut(): void {
    this.#run.kill();
  }

  async receive(): Promise<Received | undefined> {
    const response = await this.#run.next();
    return response && answers.received(response);
  }
}

function connect(server: Server, [tool = ""]: readonly string[]): Transport {
  const commandLine = COMMANDS[tool];
  if (commandLine === undefined) throw new Error(`name a tool: ${Object.keys(COMMANDS).join(" or ")}`);
  const ask = async (service: string, method: string, messages: readonly Message[], options: RequestOptions) => {
    const run = new Run(commandLine(server, { service, method, ...options }));
    for (const message of messages) run.send(message);
    run.end();
    const responses: Message[] = [];
    for (let next = await run.next(); next !== undefined; next = await run.next()) responses.push(next);
    return responses;
  };
  const one = async (service: string, method: string, message: Message, options: RequestOptions) => {
    const [response, ...more] = await ask(service, method, [message], options);
    if (response === undefined || more.length > 0) throw new Error(`${more.length + 1} answers`);
    return response;
  };
  return {
    begin: (bearer) =>
      new ToolStream(
        commandLine(server, { service: TOOLS, method: "RunTrajectory", deadlineS: STREAM_TIMEOUT_S, bearer }),
      ),
    execute: async ({ call, ...owner }, options) => {
      const { result } = await one(TOOLS, "Execute", { ...requests.owned(owner), call: requests.call(call) }, options);
      if (!isMessage(result)) throw new Error("an ExecuteResponse without a result");
      return answers.result(result);
    },
    release: async ({ trajectory_id, group, resume_token, reset_workspace }, options) => {
      const target = group === undefined ? { trajectoryId: trajectory_id } : { group };
      const request = { ...target, resumeToken: resume_token, resetWorkspace: reset_workspace };
      return answers.released(await one(TOOLS, "ReleaseTrajectory", request, options));
    },
    listTools: async (options) => answers.tools(await one(TOOLS, "ListTools", {}, options)),
    status: async (options) => answers.status(await one(TOOLS, "GetStatus", {}, options)),
    health: async (service, options) => String((await one(HEALTH, "Check", { service }, options)).status),
    write: async (header, chunks, options) => {
      const data = chunks.map((chunk) => ({ data: PROTO_JSON.bytes(chunk) }));
      const [answer] = await ask(
        ARTIFACTS,
        "WriteArtifact",
        [{ header: requests.uploadHeader(header) }, ...data],
        options,
      );
      return answers.written(answer ?? {});
    },
    read: async (request, options) =>
      (await ask(ARTIFACTS, "ReadArtifact", [requests.path(request)], options)).map(answers.part),
    list: async (request, options) =>
      answers.entries(await one(ARTIFACTS, "ListArtifacts", requests.path(request), options)),
    archive: async (request, options) =>
      (await ask(ARTIFACTS, "ArchiveArtifacts", [requests.path(request)], options)).map(answers.part),
  };
}

await main(connect);
