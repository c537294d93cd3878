// What a runner may claim to have proven.
import { SwitchyardError } from "../core/errors.js";
import type { Ready } from "../gen/switchyard/runner/v1/runner.js";
import type { Isolation } from "./backend.js";

const ISOLATIONS: readonly string[] = ["namespace", "uid", "container", "none"] satisfies Isolation[];

/**
 * Undefined when it cannot be: who took the runner over may claim another, but what was `wanted` by name came to that or
 * to nothing. Throws SANDBOX_UNAVAILABLE when there is none.
 */
export function claimedIsolation({ isolation, isolationReason }: Ready, wanted: string): Isolation | undefined {
  if (!isIsolation(isolation)) throw new SwitchyardError("SANDBOX_UNAVAILABLE", isolationReason || "no isolation");
  return wanted === "auto" || isolation === wanted ? isolation : undefined;
}

function isIsolation(text: string): text is Isolation {
  return ISOLATIONS.includes(text);
}
