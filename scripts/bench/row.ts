// One number of the table of `npm run bench`: ours beside a rival or a floor, measured in turns in the same run, so that what else
// the machine does falls on both.
import type { Report } from "../../src/load/report.js";
import type { Server } from "../server.js";

export interface Row {
  /** Names the row on the command line; a word of lower case and hyphens. */
  readonly name: string;
  /** As the table shows it. */
  readonly measure: string;
  readonly aim: Aim;
  /** What a short run must reach, wide of the aim since machines swing. A row without one is left out of short runs. */
  readonly margin?: number;
  /** Measured in one piece, when the rows that share the run have ended what they started; the shared server stays. */
  readonly isAlone?: true;
  measured(bench: Bench): Promise<Measured>;
}

/** What the value must be; `unit` follows the number in the table: `×`, ` KiB`, `` for a share. */
export type Aim = { readonly unit: string } & ({ readonly atLeast: number } | { readonly atMost: number });

export interface Measured {
  /** What is held against the aim: the median of `rounds`, unless the row says otherwise. */
  readonly value: number;
  /** The value of each round. */
  readonly rounds: readonly number[];
  /** The medians, with their units, as the table shows them. */
  readonly ours: string;
  readonly against: string;
  /** Further figures: name and value, as docs/performance.md shows them below the table. */
  readonly details?: readonly (readonly [string, string])[];
}

/** What a row has to measure with. */
export interface Bench {
  /** Of which a row's value is the median, each of a turn or several: 5; 2 in the short run. */
  readonly rounds: number;
  /** How long one side of a turn goes on, unless the row has a reason for another time. */
  readonly seconds: number;
  /** The same as flags of `load`. */
  readonly duration: readonly string[];
  /** Scratch, removed at the end. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** The server of most rows, with the Docker backend at `namespace` and 64 slots; started once, warmed up. */
  server(): Promise<Server>;
  /** A server for this row alone; `settings` is laid over the configuration of `server()`. Its row stops it. */
  startServer(settings: object): Promise<Server>;
  /**
   * `switchyard bench` in a process of its own; throws when a call has not the right result. Resolves when the slots are clean
   * again.
   */
  load(server: Pick<Server, "address" | "pid">, flags: readonly string[]): Promise<Report>;
  /**
   * Between two turns, when so much of a row is done, 0 to 1: lets other rows measure, and resolves when it is this one's turn
   * again.
   */
  giveWay(share: number): Promise<void>;
  /** Waits for what another row measures, and lets it do so. */
  aside<T>(result: Promise<T>): Promise<T>;
  /** Progress, on stderr. */
  say(text: string): void;
}
