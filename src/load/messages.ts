// What the coordinator and its client processes say to each other, over Node's own channel between parent and child
// (`serialization: "advanced"`, so that typed arrays pass as they are). Both ends are this package.
import type { RunSecond } from "./client-run.js";
import type { LoadPlan } from "./plan.js";
import type { SelfSecond } from "./self-watch.js";
import type { FinalTally } from "./tally.js";

export type ToClient =
  | { readonly kind: "plan"; readonly plan: LoadPlan; readonly index: number; readonly runId: string }
  /** At this time of the system's clock, in milliseconds. */
  | { readonly kind: "begin"; readonly atUnixMs: number }
  | { readonly kind: "stop"; readonly drainMs: number };

export interface ClientSecond extends RunSecond, SelfSecond {
  /** Whole seconds since the beginning: this one ended then. */
  readonly second: number;
}

export type FromClient =
  /** So many of its trajectories can make calls; once a second until all can. */
  | { readonly kind: "opening"; readonly up: number }
  | { readonly kind: "ready" }
  | { readonly kind: "second"; readonly second: ClientSecond }
  | { readonly kind: "final"; readonly final: FinalTally }
  | { readonly kind: "failed"; readonly message: string };

export type FromNull = { readonly kind: "listening"; readonly port: number };
