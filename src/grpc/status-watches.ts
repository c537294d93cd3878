// WatchStatus: each client gets what is so, now and then. Nothing is made for a client that has not taken what it got
// before, and nothing at all while nobody watches. Invariant: no exception leaves a timer, and a watch that is over has none.
import type { handleServerStreamingCall, ServerWritableStream } from "@grpc/grpc-js";
import type { Clock, Timer } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { ANYONE, type Principal } from "../core/principal.js";
import type { Directory } from "../trajectory/session.js";
import { requireDeadline } from "./deadline.js";
import { decodeWatch, encodeWatch, type ReadStatus } from "./server-status.js";
import { grpcStatusOf, type OnRefused } from "./status.js";

const WATCHES_MAX = 100;
/** Of one principal, where there are several: so nobody keeps the others from watching. */
const WATCHES_OF_ONE_MAX = 20;
/** A watch may have a hundredth of the server's time. */
const PAUSE_PER_COST = 100;
/** And all of them a tenth. */
const PAUSE_PER_COST_OF_ALL = 10;

export interface StatusWatchesOptions {
  readonly directory: Pick<Directory, "list">;
  readonly readStatus: ReadStatus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onRefused?: OnRefused | undefined;
}

export type WatchHandler = handleServerStreamingCall<Buffer, Buffer>;
type WatchCall = ServerWritableStream<Buffer, Buffer>;

export class StatusWatches {
  readonly #watches = new Set<Watch>();
  #closed = false;

  constructor(private readonly options: StatusWatchesOptions) {}

  serve(call: WatchCall, principal: Principal): void {
    // What a broken connection brings is no exception of ours.
    call.on("error", () => undefined);
    try {
      requireDeadline(call.getDeadline());
      if (this.#closed) throw shuttingDown();
      this.#requireRoom(principal);
      const watch = new Watch(call, principal, decodeWatch(call.request), this.options, () => this.#watches.size);
      this.#watches.add(watch);
      call.once("close", () => {
        watch.stop();
        this.#watches.delete(watch);
      });
      watch.tick();
    } catch (error) {
      call.emit("error", grpcStatusOf(error, this.options.log, this.options.onRefused));
    }
  }

  #requireRoom(principal: Principal): void {
    if (this.#watches.size >= WATCHES_MAX) throw tooMany(`${WATCHES_MAX} clients`);
    if (principal === ANYONE) return;
    let own = 0;
    for (const watch of this.#watches) if (watch.principal === principal) own += 1;
    if (own >= WATCHES_OF_ONE_MAX) throw tooMany(`${WATCHES_OF_ONE_MAX} clients of this token or certificate`);
  }

  /** Ends all with SHUTTING_DOWN, and whoever comes. */
  close(): void {
    this.#closed = true;
    for (const watch of this.#watches) watch.end(shuttingDown());
  }
}

class Watch {
  readonly #call: WatchCall;
  readonly #asked: ReturnType<typeof decodeWatch>;
  readonly #options: StatusWatchesOptions;
  #timer: Timer | undefined;
  #over = false;
  /** Whether the client has not taken the last message. */
  #full = false;

  constructor(
    call: WatchCall,
    readonly principal: Principal,
    asked: ReturnType<typeof decodeWatch>,
    options: StatusWatchesOptions,
    private readonly watches: () => number,
  ) {
    this.#call = call;
    this.#asked = asked;
    this.#options = options;
  }

  tick(): void {
    const { clock } = this.#options;
    const { intervalMs } = this.#asked;
    const beganMs = clock.now();
    try {
      if (!this.#full) this.#send();
    } catch (error) {
      return this.end(error);
    }
    const costMs = clock.now() - beganMs;
    const pauseMs = Math.max(intervalMs, PAUSE_PER_COST * costMs, PAUSE_PER_COST_OF_ALL * costMs * this.watches());
    this.#timer = clock.after(pauseMs, () => this.tick());
  }

  end(error: unknown): void {
    if (this.#over) return;
    this.stop();
    this.#call.emit("error", grpcStatusOf(error, this.#options.log, this.#options.onRefused));
  }

  stop(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  #send(): void {
    const { directory, readStatus } = this.#options;
    const message = encodeWatch(readStatus(), directory.list(this.principal, this.#asked.trajectoriesMax));
    this.#full = true;
    this.#call.write(message, () => {
      this.#full = false;
    });
  }
}

function tooMany(who: string): SwitchyardError {
  const text = `${who} watch the status already: try again later, or ask by GetStatus`;
  return new SwitchyardError("LIMIT_REACHED", text);
}

function shuttingDown(): SwitchyardError {
  return new SwitchyardError("SHUTTING_DOWN", "the server is shutting down; watch the next one");
}
