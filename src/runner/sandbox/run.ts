// What a launcher runs, as its owner sees it, and how a request for it is written.
import { uptime } from "node:os";
import type { Readable, Writable } from "node:stream";
import type { FifoSet } from "./fifo-set.js";

/** What a run asks of the launcher; the fields' meaning is in launcher/request.c. */
export type RunFields = readonly (string | Uint8Array)[];

const LENGTH_BYTES = 4;

export interface RunEnd {
  /** As waitpid(2) gives it; absent when the launcher died first. */
  readonly waitStatus?: number;
}

/** What a run writes to one of its channels. */
export interface Output {
  /** Nothing more will come of it. */
  readonly isAtEnd: boolean;
  /** Where it goes, at the run's end at the latest. A chunk is good until the function returns. */
  take(onData: (chunk: Buffer) => void): void;
  /** From now on it is read as it comes. */
  follow(): void;
  /** No more is read for the time being, where it is followed. */
  pause(): void;
  resume(): void;
  /** Resolves when it is at its end. */
  ended(): Promise<void>;
}

export interface Run {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly ended: Promise<RunEnd>;
  /** Kills all that this run started; resolves when nothing of it is alive. */
  kill(): Promise<void>;
}

/** A process that outlives calls. */
export interface Lasting {
  readonly id: string;
  /** What FIFOs of its own are named by. */
  readonly fifos: string;
  readonly input: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly ended: Promise<RunEnd>;
  /** Kills it alone. */
  end(): void;
}

/** The place of a call that a lasting process works on. */
export interface Lent {
  readonly id: string;
  /** What its FIFOs are named by. */
  readonly fifos: string;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Absent in it: the launcher died first. */
  readonly ended: Promise<RunEnd>;
  /** Nothing more is to come of the call. */
  giveBack(): void;
  /** Kills all that the lasting process of that id started for the call, and interrupts it, unless that has been done. */
  kill(lasting: string, interrupted?: "interrupted"): Promise<void>;
}

/** A child that waits for its request. */
export interface Armed {
  readonly id: string;
  readonly set: FifoSet;
}

/** The bytes that the child `id` reads as its request. */
export function requestOf(id: string, fields: RunFields): Buffer {
  const all = [id, ...fields];
  const bytes = all.reduce((sum, field) => sum + LENGTH_BYTES + Buffer.byteLength(field), 0);
  const request = Buffer.allocUnsafe(LENGTH_BYTES + bytes);
  let at = request.writeUInt32BE(bytes);
  for (const field of all) {
    at = request.writeUInt32BE(Buffer.byteLength(field), at);
    if (typeof field === "string") at += request.write(field, at);
    else {
      request.set(field, at);
      at += field.length;
    }
  }
  return request;
}

/** A moment that lies so many milliseconds back, in the hundredths of a second since boot in which /proc tells when a process began. */
export function ticksSinceBoot(agoMs: number): number {
  return Math.floor(uptime() * 100 - agoMs / 10);
}
