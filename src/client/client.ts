// The client of one server: its connections, and the trajectories open on them.
import { randomBytes, randomUUID } from "node:crypto";
import { systemClock } from "../core/clock.js";
import {
  ArchiveArtifactsRequest,
  ArtifactServiceService,
  ListArtifactsRequest,
  ReadArtifactRequest,
} from "../gen/switchyard/v1/artifact_service.js";
import { ReleaseTrajectoryRequest, ToolExecutorServiceService } from "../gen/switchyard/v1/tool_executor_service.js";
import {
  type ArchiveSummary,
  type ArtifactListing,
  type ArtifactPath,
  listingOf,
  uploadKind,
  type WriteOptions,
  type WriteSummary,
  wirePath,
} from "./artifact-values.js";
import { type Download, type FileDownload, readArchive, readFile, write } from "./artifacts.js";
import type { Backoff } from "./backoff.js";
import { ChannelPool } from "./channel-pool.js";
import { SwitchyardClientError } from "./errors.js";
import { connectOver } from "./grpc-stream.js";
import { count, durationOf, encodeExecute, type ToolArguments } from "./messages.js";
import { BACKOFF, type ClientOptions, DEFAULTS, type ExecuteOptions, type OpenOptions } from "./options.js";
import { securityOf } from "./security.js";
import { type ServerStatus, serverStatusOf, type ToolDescription, toolsOf } from "./server-status.js";
import type { SessionTimes } from "./session.js";
import { type StatusSample, type WatchOptions, watchStatus } from "./status-watch.js";
import { type ToolResult, toolResultOf } from "./tool-result.js";
import { Trajectory, type TrajectoryKey } from "./trajectory.js";
import { request, type UnaryMethod } from "./unary.js";

const { execute, getStatus, listTools, releaseTrajectory } = ToolExecutorServiceService;
const NOTHING = new Uint8Array();

/**
 * ```ts
 * const client = new SwitchyardClient("127.0.0.1:50051");
 * const trajectory = await client.open();
 * const { output } = await trajectory.call("bash", { command: "ls" });
 * await trajectory.close();
 * client.close();
 * ```
 */
export class SwitchyardClient {
  readonly #pool: ChannelPool;
  readonly #backoff: Backoff;
  readonly #times: SessionTimes;
  readonly #trajectories = new Set<Trajectory>();
  /** Aborted when it is closed. */
  readonly #closed = new AbortController();

  /** `address`: `host:port`, or another target that gRPC knows. Connects when something is asked for. Throws CONFIG_INVALID. */
  constructor(address: string, options: ClientOptions = {}) {
    const all = { ...DEFAULTS, ...options };
    const { streamsPerConnection: streamsMax } = all;
    if (!(Number.isInteger(streamsMax) && streamsMax >= 1 && streamsMax <= 500)) {
      throw new RangeError(`streamsPerConnection is ${streamsMax}; it must be a whole number from 1 to 500`);
    }
    this.#backoff = { ...BACKOFF, ...options.backoff };
    this.#times = { ...all, backoff: this.#backoff };
    this.#pool = new ChannelPool({
      address,
      security: securityOf(address, options),
      streamsMax,
      keepaliveMs: all.keepaliveMs,
      keepaliveTimeoutMs: all.keepaliveTimeoutMs,
      backoff: this.#backoff,
    });
  }

  /**
   * Opens a trajectory, or resumes it. Rejects with the server's reason, with `UNREACHABLE` after `openTimeoutMs`, or with
   * `CLOSED`. A trajectory that is not needed any more should be closed or released: until then it holds its slot.
   */
  async open(options: OpenOptions = {}): Promise<Trajectory> {
    this.#checkOpen();
    const { trajectoryId = randomUUID(), resumeToken = randomBytes(24).toString("base64url") } = options;
    const { group = "", pool = "", env = {}, leaseS, acquireSlot = false } = options;
    const lease = durationOf("leaseS", leaseS);
    const parts = {
      ...this.#times,
      connect: connectOver(this.#pool),
      clock: systemClock,
      random: Math.random,
      open: { trajectoryId, resumeToken, group, pool, env: { ...env }, acquireSlot, lease },
      requireResume: options.requireResume ?? false,
      onLifeLost: options.onLifeLost ?? "restart",
    } as const;
    return Trajectory.open(parts, options.signal, {
      began: (it) => this.#trajectories.add(it),
      ended: (it) => this.#trajectories.delete(it),
    });
  }

  /**
   * One call without a stream, in the same trajectory state as one. Asked again, with the same `uniqId`, while the server
   * cannot be reached; if that server dies meanwhile, the call may have run in it, too. An aborted `signal` rejects with its
   * reason, and cancels nothing at the server.
   */
  async execute(
    trajectoryId: string,
    name: string,
    args: ToolArguments = {},
    options: ExecuteOptions = {},
  ): Promise<ToolResult> {
    const { resumeToken = "", group = "", pool = "", signal, uniqId = randomUUID(), ...fields } = options;
    const call = { ...fields, uniqId, name, arguments: args };
    const bytes = encodeExecute({ trajectoryId, resumeToken, group, pool }, call);
    const { result } = await this.#request(execute, bytes, signal);
    if (result === undefined) throw new SwitchyardClientError("UNKNOWN", "the server answered without a result");
    return toolResultOf(result);
  }

  /** Ends a trajectory of any client. Rejects with `TRAJECTORY_UNKNOWN` when it does not live. */
  async releaseTrajectory(
    key: TrajectoryKey,
    options: { readonly resetWorkspace?: boolean } = {},
  ): Promise<{ readonly wiped: boolean }> {
    const { trajectoryId, resumeToken } = key;
    const target = { $case: "trajectoryId", value: trajectoryId } as const;
    return this.#release({ target, resumeToken, resetWorkspace: options.resetWorkspace ?? false });
  }

  /** Ends all trajectories of a group that have this token. None at all is no error. */
  async releaseGroup(
    group: string,
    options: { readonly resumeToken?: string; readonly resetWorkspace?: boolean } = {},
  ): Promise<{ readonly released: number; readonly wiped: boolean }> {
    const { resumeToken = "", resetWorkspace = false } = options;
    return this.#release({ target: { $case: "group", value: group }, resumeToken, resetWorkspace });
  }

  /**
   * Reads a file of a trajectory's workspace, beside the calls that run there. Resolves once the file is open; then iterate
   * over its bytes. Rejects with `NO_SLOT`, `ARTIFACT_NOT_FOUND`, `ACCESS_DENIED`, `ARTIFACT_UNSUITABLE`, …, and repeats
   * nothing by itself.
   */
  async readArtifact(
    { trajectoryId, resumeToken }: TrajectoryKey,
    path: ArtifactPath,
    options: { readonly offset?: number; readonly maxBytes?: number; readonly signal?: AbortSignal } = {},
  ): Promise<FileDownload> {
    this.#checkOpen();
    const { offset, maxBytes } = {
      offset: count("offset", options.offset),
      maxBytes: count("maxBytes", options.maxBytes),
    };
    const request = { trajectoryId, resumeToken, ...wirePath(path), offset, maxBytes };
    return readFile(this.#pool, ReadArtifactRequest.encode(request).finish(), options.signal);
  }

  /** Lists a folder of the workspace; default: the workspace itself. Repeated while the server cannot be reached. */
  async listArtifacts(
    { trajectoryId, resumeToken }: TrajectoryKey,
    path: ArtifactPath = "",
    options: { readonly recursive?: boolean; readonly maxEntries?: number; readonly signal?: AbortSignal } = {},
  ): Promise<ArtifactListing> {
    const { recursive = false, maxEntries = 0, signal } = options;
    const request = { trajectoryId, resumeToken, ...wirePath(path), recursive, maxEntries };
    const bytes = ListArtifactsRequest.encode(request).finish();
    return listingOf(await this.#request(ArtifactServiceService.listArtifacts, bytes, signal));
  }

  /** A folder of the workspace as tar.gz; default: all of it. Iterate over its bytes; then `summary` says what is in it. */
  archiveArtifacts(
    { trajectoryId, resumeToken }: TrajectoryKey,
    path: ArtifactPath = "",
    options: { readonly maxBytes?: number; readonly maxEntries?: number; readonly signal?: AbortSignal } = {},
  ): Download<ArchiveSummary> {
    this.#checkOpen();
    const { maxEntries = 0, signal } = options;
    const maxBytes = count("maxBytes", options.maxBytes);
    const request = { trajectoryId, resumeToken, ...wirePath(path), maxBytes, maxEntries };
    return readArchive(this.#pool, ArchiveArtifactsRequest.encode(request).finish(), signal);
  }

  /** Writes a file, or unpacks an archive, into the workspace. Rejects with `ARCHIVE_REFUSED`, `LIMIT_REACHED`, … */
  async writeArtifact(
    { trajectoryId, resumeToken }: TrajectoryKey,
    path: ArtifactPath,
    content: Uint8Array | AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<WriteSummary> {
    this.#checkOpen();
    const { mode, maxEntries = 0, signal } = options;
    const limits = { maxBytes: count("maxBytes", options.maxBytes), maxEntries };
    const kind = uploadKind(options.kind);
    const value = { trajectoryId, resumeToken, ...wirePath(path), kind, mode, ...limits };
    return write(this.#pool, { $case: "header", value }, content, signal);
  }

  async listTools(): Promise<readonly ToolDescription[]> {
    return toolsOf(await this.#request(listTools, NOTHING));
  }

  async status(): Promise<ServerStatus> {
    return serverStatusOf(await this.#request(getStatus, NOTHING));
  }

  /**
   * The status now, and then every `intervalMs`: read it in a loop, which ends when it is left, and throws what the `signal`
   * was aborted for. One that is read slowly misses samples. Throws when the connection breaks or the server goes
   * (`SHUTTING_DOWN`), and repeats nothing by itself.
   */
  watchStatus(options: WatchOptions = {}): AsyncIterableIterator<StatusSample> {
    this.#checkOpen();
    return watchStatus(this.#pool, options, this.#closed.signal);
  }

  /**
   * Cuts every stream and connection: pending calls and requests reject with `CLOSED`. It tells the server nothing: what was not closed or
   * released before goes on there until its lease ends.
   */
  close(): void {
    const error = new SwitchyardClientError("CLOSED", "the client was closed");
    this.#closed.abort(error);
    for (const trajectory of [...this.#trajectories]) trajectory.abandon(error);
    this.#pool.close();
  }

  #release(message: ReleaseTrajectoryRequest): Promise<{ released: number; wiped: boolean }> {
    return this.#request(releaseTrajectory, ReleaseTrajectoryRequest.encode(message).finish());
  }

  async #request<T>(method: UnaryMethod<T>, bytes: Uint8Array, signal?: AbortSignal): Promise<T> {
    this.#checkOpen();
    return request(method, bytes, {
      pool: this.#pool,
      clock: systemClock,
      random: Math.random,
      backoff: this.#backoff,
      timeoutMs: this.#times.reconnectTimeoutMs,
      signals: signal ? [this.#closed.signal, signal] : [this.#closed.signal],
    });
  }

  #checkOpen(): void {
    this.#closed.signal.throwIfAborted();
  }
}
