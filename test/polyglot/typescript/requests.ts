// Plays the steps that are no part of a stream: unary requests and transfers.
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { check, checkFailure, checkFields, checkResult, contentOf, dataOf, sha256 } from "./checks.js";
import type { CallFields, StepOf, UnaryStep } from "./table.js";
import type { CallRequest, Owner, RequestOptions, Transport } from "./transport.js";

const REQUEST_TIMEOUT_S = 60;
const CHUNK_BYTES = 65_536;

/** What a scenario has made so far. */
export interface Play {
  readonly trajectory_id: string;
  readonly resume_token: string;
  /** Of the last archive_artifacts. */
  archive: Buffer;
}

export function callRequest({ repeat, arguments: given, ...fields }: CallFields): CallRequest {
  const repeated = repeat === undefined ? {} : { [repeat.argument]: repeat.text.repeat(repeat.times) };
  return { ...fields, arguments: { ...given, ...repeated } };
}

export async function playUnary(transport: Transport, play: Play, step: UnaryStep): Promise<void> {
  const owner = { trajectory_id: play.trajectory_id, resume_token: step.resume_token ?? play.resume_token };
  const options = { deadlineS: step.deadline_s ?? REQUEST_TIMEOUT_S, bearer: step.bearer };
  const verify = ask(transport, play, step, owner, options);
  if (step.error === undefined) {
    (await verify)();
    return;
  }
  const failure = await verify.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failure === undefined) throw new Error(`it succeeded instead of failing with ${step.error.code}`);
  checkFailure(failure, step.error);
}

/** Resolves, when the request succeeded, with a function that checks the answer. */
async function ask(
  transport: Transport,
  play: Play,
  step: UnaryStep,
  owner: Owner,
  options: RequestOptions,
): Promise<() => void> {
  switch (step.op) {
    case "execute": {
      const {
        op: _op,
        result: expected,
        error: _error,
        bearer: _bearer,
        deadline_s: _deadline,
        resume_token: _token,
        ...call
      } = step;
      const result = await transport.execute({ ...owner, call: callRequest(call) }, options);
      return () => checkResult(result, expected);
    }
    case "release_trajectory": {
      const target = step.group === undefined ? owner : { group: step.group, resume_token: owner.resume_token };
      const answer = await transport.release({ ...target, reset_workspace: step.reset_workspace ?? false }, options);
      return () => checkFields(answer, step, ["released", "wiped"]);
    }
    case "list_tools": {
      const tools = await transport.listTools(options);
      return () => {
        const tool = tools.find(({ name }) => name === step.tool);
        const { type, required } = tool?.parameters ?? {};
        check("the tool", [tool?.external, type], [step.external, "object"]);
        check("what it requires", Array.isArray(required) && required.toSorted(), step.required.toSorted());
      };
    }
    case "get_status": {
      const status = await transport.status(options);
      return () => {
        const pool = status.pools.find(({ name }) => name === step.pool);
        check(
          "whether it has a version, an id and slots",
          [status.version !== "", status.server_id !== "", (pool?.slots_total ?? 0) > 0],
          [true, true, true],
        );
      };
    }
    case "health": {
      const status = await transport.health(step.service, options);
      return () => check("status", status, step.status);
    }
    case "list_artifacts": {
      const entries = await transport.list({ ...owner, path: step.path, recursive: step.recursive ?? false }, options);
      return () => check("entries", entries, step.entries);
    }
    case "write_artifact":
      return write(transport, play, step, owner, options);
    case "read_artifact": {
      const { path, offset, max_bytes } = step;
      const parts = await transport.read({ ...owner, path, offset, max_bytes }, options);
      return () => {
        const { data, trailer } = dataOf(parts, true);
        check("content", sha256(data), sha256(contentOf(step.content ?? {}, play.archive)));
        checkFields(parts[0] ?? {}, step, ["size", "mime_type", "mode"]);
        checkFields(trailer, step, ["truncated"]);
      };
    }
    case "archive_artifacts": {
      const parts = await transport.archive({ ...owner, path: step.path }, options);
      const { data, trailer } = dataOf(parts, false);
      play.archive = data;
      const names = await membersOf(data);
      return () => {
        check("members", names.toSorted(), step.members?.toSorted());
        check("trailer.entries", trailer.entries, names.length);
      };
    }
    default:
      step satisfies never;
      throw new Error("the table has an operation that this client does not know");
  }
}

async function write(
  transport: Transport,
  play: Play,
  step: StepOf<"write_artifact">,
  owner: Owner,
  options: RequestOptions,
): Promise<() => void> {
  const { path, mode, content, chunk_bytes: size = CHUNK_BYTES } = step;
  const kind = step.kind ?? (content.archive ? "ARTIFACT_UPLOAD_KIND_TAR_GZ" : "ARTIFACT_UPLOAD_KIND_FILE");
  const data = contentOf(content, play.archive);
  const chunks = Array.from({ length: Math.ceil(data.length / size) }, (_, at) =>
    data.subarray(at * size, (at + 1) * size),
  );
  const answer = await transport.write({ ...owner, path, kind, mode }, chunks, options);
  return () => {
    check("sha256", answer.sha256, sha256(data));
    checkFields(answer, step, ["entries"]);
  };
}

async function membersOf(archive: Buffer): Promise<string[]> {
  const names: string[] = [];
  for await (const member of Readable.from([gunzipSync(archive)]).pipe(extract())) {
    names.push(member.header.name.replace(/\/$/, ""));
    member.resume();
  }
  return names;
}
