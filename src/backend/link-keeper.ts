// Keeps a link to one runner alive: begins it, watches over it, and begins it anew when it breaks while the runner lives.
//
//   opening ─inventory→ live ─link breaks, or the runner is silent→ broken ─dialled, inventory→ live
//      └───────────────────┴──── runner gone, violation, nothing works ────┴──→ lost
//
// Each beginning brings the runner's inventory, from which its owner knows what must be sent again. When a newer server
// has the runner, the keeper falls silent: nothing that this server could say of its calls would be true.
import { EventEmitter } from "node:events";
import type { Duplex, Readable, Writable } from "node:stream";
import { messageOf, SwitchyardError } from "../core/errors.js";
import type { Init, RunnerFrame, ServerFrame } from "../gen/switchyard/runner/v1/runner.js";
import { RUNNER_FRAME_BYTES_MAX } from "../link/frames.js";
import { Link, NotAFrame } from "../link/link.js";
import { decodeRunnerFrame } from "../link/output-frame.js";
import { encodeServerFrame } from "../link/write-frame.js";
import { InventoryReader, type RunnerInventory } from "./inventory.js";

export interface Streams {
  readonly fromRunner: Readable;
  readonly toRunner: Writable;
  /** Where the runner may answer instead. */
  readonly shortcut?: Shortcut | undefined;
}

/** Streams over which a runner may answer, until `close`. */
export interface Shortcut {
  onTaken(listener: (stream: Duplex) => void): void;
  close(): void;
}

/** How a runner is reached. */
export interface Line {
  readonly nonce: string;
  readonly epoch: number;
  /**
   * New streams to the runner; `gone` when it is for good, `superseded` when a newer server has taken over, by the
   * engine's account and not the runner's. Rejects when that cannot be told now.
   */
  dial(): Promise<Streams | "gone" | "superseded">;
}

interface KeeperEvents {
  /** The link began: first, or anew. */
  inventory: [inventory: RunnerInventory];
  frame: [frame: NonNullable<RunnerFrame["frame"]>];
  /** Once: the runner is lost for good. */
  lost: [error: SwitchyardError];
  /** Milliseconds from a ping to its answer. */
  roundTrip: [ms: number];
}

/** Between two pings, in milliseconds. */
const PING_MS = 3_000;
/** So many pings in a row without a word from the runner, and the link is broken. Counted, since our own loop may have slept. */
const UNANSWERED_MAX = 5;
/** How long a runner may take to begin a link anew. */
const SYNC_MS_MAX = 5_000;
/** How long an engine may be unreachable, such as a Docker daemon that restarts, before its runners are given up. */
const REDIAL_MS_MAX = 60_000;
const REDIAL_PAUSE_MS = [50, 200, 500, 1_000, 2_000] as const;
/** Links that broke without an inventory in between. */
const BREAKS_MAX = 3;
/** New beginnings that a runner may cause by its word in its life; an honest one hardly ever does. */
const RESYNCS_MAX = 100;

export class LinkKeeper extends EventEmitter<KeeperEvents> {
  #link: Link<ServerFrame, RunnerFrame> | undefined;
  #inventory: InventoryReader | undefined;
  #live = false;
  /** Whether an inventory is to come over this link. */
  #awaiting = false;
  /** Markers that were never answered, over all links. */
  #unsynced = 0;
  #lost = false;
  #breaks = 0;
  #resyncs = 0;
  #unanswered = 0;
  /** `seq` of the newest ping, and of the newest that was answered. */
  #pinged = 0n;
  #pingedAtMs = 0;
  #ponged = 0n;
  /** The runner said that a newer server has it. */
  #claimed = false;
  #pings: NodeJS.Timeout | undefined;
  #syncing: NodeJS.Timeout | undefined;

  constructor(
    private readonly line: Line,
    private readonly init: Init,
  ) {
    super();
  }

  /** Begins the link over the first streams. `inventory` follows when the runner is up. */
  begin(streams: Streams): void {
    const link = new Link<ServerFrame, RunnerFrame>(
      streams.fromRunner,
      streams.toRunner,
      this.line.nonce,
      {
        encode: encodeServerFrame,
        decode: decodeRunnerFrame,
        bytesMax: RUNNER_FRAME_BYTES_MAX,
      },
      { end: "server", epoch: this.line.epoch },
    );
    this.#link = link;
    this.#marked();
    streams.shortcut?.onTaken((stream) => link.addWay(stream));
    link.on("synced", () => {
      streams.shortcut?.close();
      this.#synced();
    });
    link.on("closed", () => streams.shortcut?.close());
    link.on("frame", ({ frame }) => this.#receive(frame));
    // The runner's word alone does not count: dialling tells whether it is true.
    link.on("superseded", () => {
      this.#claimed = true;
      link.close();
    });
    link.on("closed", (error) => this.#broken(link, error));
  }

  /** Begins the link to a runner that lives, as often as it takes. */
  dial(): void {
    this.#live = true;
    void this.#redial("runner not reached");
  }

  /** Dropped while there is no link, or its inventory is awaited: what matters is sent again after it, and so never twice. */
  send(frame: NonNullable<ServerFrame["frame"]>): void {
    if (!this.#awaiting) this.#link?.send({ frame });
  }

  /** The same for what nobody waits for: it goes out with the next frame, or a moment later. */
  sendSoon(frame: NonNullable<ServerFrame["frame"]>): void {
    if (!this.#awaiting) this.#link?.sendSoon({ frame });
  }

  /** The runner broke the rules, or its owner gives it up. */
  lose(reason: "RUNNER_LOST" | "RUNNER_VIOLATION", why: string): void {
    if (this.#lost) return;
    this.#lost = true;
    this.close();
    this.emit("lost", new SwitchyardError(reason, why));
  }

  violation(what: string): void {
    this.lose("RUNNER_VIOLATION", `runner sent ${what}`);
  }

  /** Ends the link, and nothing else: the runner may go on with another server. */
  close(): void {
    this.#lost = true;
    this.#stopWatching();
    this.#link?.close();
  }

  #receive(frame: RunnerFrame["frame"]): void {
    this.#unanswered = 0;
    if (!frame) return this.violation("an empty frame");
    if (frame.$case === "pong") return this.#takePong(frame.value.seq);
    if (frame.$case === "resyncRequest") return this.#resync();
    let taken: RunnerInventory | "more" | undefined;
    try {
      taken = this.#inventory?.take(frame);
    } catch (error) {
      return this.violation(messageOf(error));
    }
    if (taken === "more") {
      // A large one may take its time, as long as it goes on.
      this.#syncing?.refresh();
      return;
    }
    if (taken) return this.#begun(taken);
    if (this.#inventory) return this.violation(`${frame.$case} in the middle of its inventory`);
    this.emit("frame", frame);
  }

  #begun(inventory: RunnerInventory): void {
    this.#inventory = undefined;
    this.#awaiting = false;
    this.#breaks = 0;
    this.#live = true;
    this.#stopWatching();
    this.#pings = setInterval(() => this.#ping(), PING_MS);
    this.#pings.unref();
    this.emit("inventory", inventory);
  }

  #marked(): void {
    this.#awaiting = true;
    this.#unsynced += 1;
  }

  /** Each of our markers has one answer; one that comes late, over the next link, counts too. */
  #synced(): void {
    if (this.#unsynced === 0) return this.violation("a marker that nobody asked for");
    this.#unsynced -= 1;
    this.#inventory = new InventoryReader(this.init);
  }

  #resync(): void {
    this.#resyncs += 1;
    if (this.#resyncs > RESYNCS_MAX) return this.violation(`more than ${RESYNCS_MAX} requests to begin anew`);
    this.#link?.mark();
    this.#marked();
    this.#expectInventory();
  }

  #expectInventory(): void {
    clearTimeout(this.#syncing);
    this.#syncing = setTimeout(() => this.#link?.close(), SYNC_MS_MAX);
  }

  #ping(): void {
    if (this.#unanswered >= UNANSWERED_MAX) {
      this.#link?.close();
      return;
    }
    this.#unanswered += 1;
    this.#pinged += 1n;
    this.#pingedAtMs = performance.now();
    this.#link?.send({ frame: { $case: "ping", value: { seq: this.#pinged } } });
  }

  /** Each ping is answered once, in order; those of a link that broke may never be. */
  #takePong(seq: bigint): void {
    if (seq <= this.#ponged || seq > this.#pinged) return this.violation("a pong that nobody asked for");
    this.#ponged = seq;
    if (seq === this.#pinged) this.emit("roundTrip", performance.now() - this.#pingedAtMs);
  }

  #broken(link: Link<ServerFrame, RunnerFrame>, error: Error | undefined): void {
    if (this.#lost || link !== this.#link) return;
    this.#link = undefined;
    this.#inventory = undefined;
    this.#stopWatching();
    if (error instanceof NotAFrame) return this.violation(`bytes that are no frame: ${error.message}`);
    const why = error ? `link broken: ${error.message}` : "link closed";
    // Before its first word a runner has nothing to lose.
    if (!this.#live) return this.lose("RUNNER_LOST", why);
    void this.#redial(why);
  }

  async #redial(why: string): Promise<void> {
    this.#breaks += 1;
    if (this.#breaks > BREAKS_MAX) return this.lose("RUNNER_LOST", `${why}, and could not be begun anew`);
    const deadline = performance.now() + REDIAL_MS_MAX;
    for (let attempt = 0; !this.#lost; attempt += 1) {
      try {
        const streams = await this.line.dial();
        if (streams === "superseded") return this.close();
        if (streams === "gone") return this.lose("RUNNER_LOST", `${why}: the runner is gone`);
        if (this.#lost || this.#claimed) drop(streams);
        if (this.#lost) return;
        if (this.#claimed) return this.violation("the epoch of a server that there is not");
        this.#unanswered = 0;
        this.#expectInventory();
        return this.begin(streams);
      } catch (error) {
        if (performance.now() > deadline) return this.lose("RUNNER_LOST", `${why}: ${messageOf(error)}`);
      }
      const pauseMs = REDIAL_PAUSE_MS[attempt] ?? REDIAL_PAUSE_MS.at(-1);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  #stopWatching(): void {
    clearInterval(this.#pings);
    clearTimeout(this.#syncing);
  }
}

function drop({ toRunner, shortcut }: Streams): void {
  toRunner.destroy();
  shortcut?.close();
}
