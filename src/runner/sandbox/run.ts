// What a launcher runs, as its owner sees it, and how a request for it is written.
import type { Socket } from "node:net";
import { uptime } from "node:os";
import type { Readable, Writable } from "node:stream";

/** What a run asks of the launcher; the fields' meaning is in launcher-source.ts. */
export type RunFields = readonly (string | Uint8Array)[];

export interface RunEnd {
  /** As waitpid(2) gives it; absent when the launcher died first. */
  readonly waitStatus?: number;
}

export interface Run {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly ended: Promise<RunEnd>;
  /** Kills all that this run started; resolves when nothing of it is alive. */
  kill(): Promise<void>;
}

/** A process that outlives calls. */
export interface Lasting {
  /** What FIFOs of its own are named by. */
  readonly id: string;
  readonly input: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly ended: Promise<RunEnd>;
  /** Kills it alone. */
  end(): void;
}

/** The place of a call that a lasting process works on. */
export interface Lent {
  /** What its FIFOs are named by. */
  readonly id: string;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Absent in it: the launcher died first. */
  readonly ended: Promise<RunEnd>;
  /** Nothing more is to come of the call. */
  giveBack(): void;
  /** Kills all that the lasting process of that id started for the call, and interrupts it. */
  kill(lasting: string): Promise<void>;
}

/** A child that waits for its request. */
export interface Armed {
  readonly id: string;
  readonly request: Socket;
  readonly stdout: Socket;
  readonly stderr: Socket;
}

export function letGo({ request, stdout, stderr }: Armed): void {
  for (const socket of [request, stdout, stderr]) socket.destroy();
}

/** The bytes that a child reads as its request. */
export function requestOf(fields: RunFields): Buffer {
  return Buffer.concat(lengthPrefixed(Buffer.concat(fields.flatMap(lengthPrefixed))));
}

function lengthPrefixed(field: string | Uint8Array): Uint8Array[] {
  const bytes = typeof field === "string" ? Buffer.from(field) : field;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

/** In the hundredths of a second in which /proc tells when a process began. */
export function ticksSinceBoot(): number {
  return Math.floor(uptime() * 100);
}
