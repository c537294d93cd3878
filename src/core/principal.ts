// Who a request comes from: the name of its bearer token, else of its client certificate. A principal sees its own
// trajectories only.

export type Principal = string;

/** Everyone who reaches a server without authentication. */
export const ANYONE: Principal = "";

/** What one principal may have; 0 is no limit. */
export interface Allowance {
  /** Trajectories with a live stream. */
  readonly streamsMax: number;
  /** Slots that its trajectories hold or are acquiring. */
  readonly slotsMax: number;
  /** Calls that begin, on streams and by Execute. */
  readonly callsPerS: number;
}

/** Asked again for each decision, as it may change while the server runs. */
export type AllowanceOf = (principal: Principal) => Allowance;

export const UNLIMITED: Allowance = { streamsMax: 0, slotsMax: 0, callsPerS: 0 };
