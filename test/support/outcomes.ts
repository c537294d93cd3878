// Outcomes and operations for tests that do not care what they say.
import type { SlotOperation } from "../../src/core/operation.js";
import { failedOutcome, type Outcome } from "../../src/core/outcome.js";

export function okOutcome(output = ""): Outcome {
  return { ...failedOutcome("CANCELLED", ""), status: "OK", output };
}

export function bash(slot: number, command = "true"): SlotOperation {
  return { slot, operation: { kind: "bash", command } };
}
