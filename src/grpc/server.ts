// The gRPC server: registers the services, listens, and closes. Requests and responses are bytes to grpc-js; conversion.ts
// and responses.ts decode and encode them, so that a malformed message gets an answer of ours.
import { logVerbosity, Metadata, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { Clock, Timer } from "../core/clock.js";
import type { Logger } from "../core/log.js";
import type { CallStatus } from "../core/outcome.js";
import type { Directory } from "../trajectory/session.js";
import { artifactHandlers } from "./artifacts.js";
import { authentication, principalOf } from "./authentication.js";
import type { CertificateKeeper } from "./certificate-keeper.js";
import { requireDeadline } from "./deadline.js";
import { Listener } from "./listener.js";
import { LiveStreams } from "./live-streams.js";
import { rawArtifactService, rawToolService, type StreamCall } from "./raw-services.js";
import { widenReceiveWindows } from "./receive-windows.js";
import { addReflection } from "./reflection.js";
import { Refusals } from "./refusals.js";
import { type Announcement, REQUEST_BYTES_MAX } from "./responses.js";
import type { StatusReader } from "./server-status.js";
import { grpcStatusOf, type OnRefused } from "./status.js";
import { StatusWatches, type WatchHandler } from "./status-watches.js";
import { TokenBook } from "./token-book.js";
import { traceParentOf } from "./trace-parent.js";
import { type LiveStream, STREAM_DEFAULTS, type StreamOptions, serveTrajectory } from "./trajectory-stream.js";
import { type ToolLister, unaryHandlers } from "./unary.js";

const CHANNEL_OPTIONS = {
  "grpc.max_receive_message_length": REQUEST_BYTES_MAX,
  "grpc.max_concurrent_streams": 500,
  // It counts for a service that is not served.
  "grpc.enable_channelz": 0,
} as const;

const KEEPALIVE = { intervalMs: 30_000, timeoutMs: 10_000 };

/** As health names them; all stand and fall together. */
const SERVICE_NAMES = ["", "switchyard.v1.ToolExecutorService", "switchyard.v1.ArtifactService"] as const;
/** What is left for the last trailers to reach their clients, once every stream has ended. */
const FLUSH_MS = 1_000;

export interface GrpcServerOptions {
  readonly directory: Directory;
  readonly tools: ToolLister;
  readonly status: StatusReader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly announcement: Announcement;
  /** Live RunTrajectory streams; further ones end with LIMIT_REACHED. */
  readonly streamsMax: number;
  /** The tokens that clients need; absent, or while it is empty: none. */
  readonly tokens?: TokenBook;
  /** Whether the API can be asked for; true when absent. */
  readonly reflection?: boolean;
  /** After so much silence a connection's client is pinged, and has so long to answer; 30 s and 10 s when absent. */
  readonly keepalive?: { readonly intervalMs: number; readonly timeoutMs: number };
  /** Absent: plain text. */
  readonly certificates?: CertificateKeeper | undefined;
  /** Told of each call that is rejected on a stream. */
  readonly onRejected?: ((status: CallStatus) => void) | undefined;
  /** Told of each request and stream that ends with an error. */
  readonly onRefused?: OnRefused | undefined;
  /** For tests. */
  readonly stream?: Partial<Pick<StreamOptions, keyof typeof STREAM_DEFAULTS>>;
}

export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #streamOptions: StreamOptions;
  readonly #server: Server;
  readonly #listener: Listener;
  readonly #health = new HealthImplementation(
    Object.fromEntries(SERVICE_NAMES.map((name) => [name, "NOT_SERVING" as const])),
  );
  readonly #streams: LiveStreams;
  /** Of requests; those of connections are the listener's. */
  readonly #refusals: Refusals;
  readonly #watches: StatusWatches;
  /** Under way, streams of trajectories aside. */
  #requests = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    const { directory, clock, log, announcement, keepalive = KEEPALIVE, reflection = true } = options;
    const { tokens = new TokenBook([], clock), certificates } = options;
    this.#refusals = new Refusals(clock, log);
    this.#streams = new LiveStreams({
      get streamsMax() {
        return options.streamsMax;
      },
      allowanceOf: (principal) => tokens.allowanceOf(principal),
    });
    const { onRejected, onRefused } = options;
    this.#server = new Server({
      ...CHANNEL_OPTIONS,
      "grpc.keepalive_time_ms": keepalive.intervalMs,
      "grpc.keepalive_timeout_ms": keepalive.timeoutMs,
      interceptors: [
        authentication({
          tokens,
          clientCertificates: () => certificates?.current.clientCa !== undefined,
          refusals: this.#refusals,
          log,
          onRefused,
        }),
      ],
    });
    // TLS is the listener's affair; what it hands over is plain HTTP/2 to grpc-js.
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    widenReceiveWindows(this.#server);
    const onConnection = injector.injectConnection.bind(injector);
    this.#listener = new Listener({ clock, log, certificates, onConnection });
    const common = { directory, clock, log, announcement, onRejected, onRefused };
    this.#streamOptions = { ...STREAM_DEFAULTS, ...options.stream, ...common };
    const readStatus = () => ({ ...options.status.readStatus(), streams: this.#streams.size });
    this.#watches = new StatusWatches({ ...options, readStatus });
    const counted = {
      ...options,
      readStatus,
      onStart: () => {
        this.#requests += 1;
      },
      onEnd: () => {
        this.#requests -= 1;
        this.#checkIdle();
      },
    };
    this.#server.addService(rawArtifactService(), { ...artifactHandlers(counted) });
    const runTrajectory = (call: StreamCall) => this.#serve(call);
    const watchStatus: WatchHandler = (call) => this.#watches.serve(call, principalOf(call));
    this.#server.addService(rawToolService(), { ...unaryHandlers(counted), runTrajectory, watchStatus });
    this.#health.addToServer(this.#server);
    if (reflection) addReflection(this.#server);
  }

  /** RunTrajectory streams that are open. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Resolves with the port, once health says SERVING. Rejects with LISTEN_FAILED. */
  async listen(address: string): Promise<number> {
    // grpc-js prints a line of its own for what it reports anyway.
    if (process.env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE);
    const port = await this.#listener.listen(address);
    this.#setHealth("SERVING");
    return port;
  }

  /**
   * Says NOT_SERVING, takes no more connections and requests, and waits up to `graceMs` for those that are under way;
   * what is left then ends with SHUTTING_DOWN. Until then, ending opened streams is the Directory's affair.
   */
  async close(graceMs: number): Promise<void> {
    this.#setHealth("NOT_SERVING");
    this.#watches.close();
    this.#listener.close();
    this.#refusals.close();
    const shutDown = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    this.#endStreams((stream) => !stream.opened);
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#checkIdle();
    });
    await this.#within(graceMs, [idle, shutDown]);
    this.#endStreams(() => true);
    // Health watchers would hold it open for ever.
    await this.#within(FLUSH_MS, [shutDown]);
    this.#server.forceShutdown();
  }

  #endStreams(which: (stream: LiveStream) => boolean): void {
    for (const stream of [...this.#streams].filter(which)) stream.shutDown();
  }

  #serve(call: StreamCall): void {
    try {
      requireDeadline(call.getDeadline());
      this.#streams.requireRoom(principalOf(call));
    } catch (error) {
      call.on("error", () => {});
      call.emit("error", grpcStatusOf(error, this.#options.log, this.#options.onRefused));
      return;
    }
    // Some clients, such as tonic's, give their stream out only with the first headers, and may send `open` after that.
    call.sendMetadata(new Metadata());
    const principal = principalOf(call);
    const stream = serveTrajectory(call, principal, this.#streamOptions, traceParentOf(call.metadata));
    this.#streams.add(principal, stream);
    call.once("close", () => {
      this.#streams.remove(principal, stream);
      this.#checkIdle();
    });
  }

  #setHealth(status: "SERVING" | "NOT_SERVING"): void {
    for (const name of SERVICE_NAMES) this.#health.setStatus(name, status);
  }

  #checkIdle(): void {
    if (this.#streams.size === 0 && this.#requests === 0) this.#onIdle?.();
  }

  async #within(limitMs: number, events: readonly Promise<void>[]): Promise<void> {
    let timer: Timer | undefined;
    const elapsed = new Promise<void>((resolve) => {
      timer = this.#options.clock.after(limitMs, resolve);
    });
    await Promise.race([...events, elapsed]);
    timer?.cancel();
  }
}
