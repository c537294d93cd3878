// The runner's ends of the three FIFOs of a launcher's child. The launcher uses a set for one child after the other, once nothing
// of the one before is left in it, so its ends stay open here from one to the next.
// Invariant: each descriptor has one owner, who closes it: the set, or the socket that was made of it.
import { closeSync, readSync, writeSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { openFifo, socketOf } from "./fifo.js";

export type Channel = "out" | "err";

/** An honest launcher keeps no more. */
const IDLE_MAX = 4;
const WAITS: ReadonlySet<unknown> = new Set(["EAGAIN", "EPIPE"]);

export class FifoSet {
  readonly #fds = new Map<Channel | "in", number>();
  #input: Socket | undefined;

  /** `path` is that of its FIFOs, but for their endings. */
  constructor(
    readonly name: string,
    private readonly path: string,
  ) {}

  /** Opens what is not open; throws when that cannot be. */
  open(): void {
    for (const end of ["in", "out", "err"] as const) {
      if (!this.#fds.has(end)) this.#fds.set(end, openFifo(`${this.path}.${end}`, end === "in" ? "write" : "read"));
    }
  }

  /** For whoever goes on writing. */
  input(): Socket {
    this.#input ??= socketOf(this.cede("in"), "write");
    return this.#input;
  }

  /** Passes bytes to the child, which reads them when it comes to it. */
  send(bytes: Buffer): void {
    const taken = this.#input ? 0 : this.#write(bytes);
    if (taken < bytes.length) this.input().write(bytes.subarray(taken));
  }

  /** Nothing more is to be written. */
  endInput(): void {
    this.#input?.destroy();
    this.#input = undefined;
  }

  /** How many bytes came into `buffer`: 0 when nobody is left who could write, undefined when there is nothing yet. */
  read(channel: Channel, buffer: Buffer): number | undefined {
    return atOnce(() => readSync(this.#fd(channel), buffer));
  }

  /** Gives a descriptor away. */
  cede(end: Channel | "in"): number {
    const fd = this.#fd(end);
    this.#fds.delete(end);
    return fd;
  }

  close(): void {
    this.endInput();
    for (const fd of this.#fds.values()) closeSync(fd);
    this.#fds.clear();
  }

  #write(bytes: Buffer): number {
    return atOnce(() => writeSync(this.#fd("in"), bytes)) ?? 0;
  }

  #fd(end: Channel | "in"): number {
    const fd = this.#fds.get(end);
    if (fd === undefined) throw new Error(`${this.path}.${end} is not open`);
    return fd;
  }
}

/** The sets of one launcher. */
export class FifoSets {
  readonly #idle = new Map<string, FifoSet>();

  constructor(private readonly runFolder: string) {}

  /** Undefined when its FIFOs are gone, as with a child that was killed meanwhile; throws when they cannot be opened. */
  open(name: string): FifoSet | undefined {
    const set = this.#idle.get(name) ?? new FifoSet(name, join(this.runFolder, name));
    this.#idle.delete(name);
    try {
      set.open();
    } catch (error) {
      set.close();
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
    return set;
  }

  /** All that was written into it has been read. */
  putBack(set: FifoSet): void {
    this.#idle.set(set.name, set);
    const [oldest] = this.#idle.values();
    if (this.#idle.size <= IDLE_MAX || !oldest) return;
    this.#idle.delete(oldest.name);
    oldest.close();
  }

  close(): void {
    for (const set of this.#idle.values()) set.close();
    this.#idle.clear();
  }
}

/** Undefined for what would have to wait, or has no other end. */
function atOnce(transfer: () => number): number | undefined {
  try {
    return transfer();
  } catch (error) {
    if (WAITS.has(codeOf(error))) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
