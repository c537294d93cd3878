// Outcomes, operations and bindings for tests that do not care what they say.
import type { SlotBinding } from "../../src/backend/backend.js";
import type { SlotOperation } from "../../src/core/operation.js";
import { failedOutcome, type Outcome } from "../../src/core/outcome.js";

export const DIGEST = "ab".repeat(32);

let calls = 0;

export function okOutcome(output = ""): Outcome {
  return { ...failedOutcome("CANCELLED", ""), status: "OK", output };
}

export function bash(slot: number, command = "true", fields: Partial<SlotOperation> = {}): SlotOperation {
  calls += 1;
  const operation = { kind: "bash", command } as const;
  return { slot, uniqId: `call-${calls}`, digest: DIGEST, forStream: true, context: "{}", operation, ...fields };
}

export function bindingOf(trajectoryId: string, fields: Partial<SlotBinding> = {}): SlotBinding {
  return {
    principal: "",
    trajectoryId,
    incarnation: `life of ${trajectoryId}`,
    generation: 1,
    env: {},
    tokenHash: Buffer.alloc(32, 7),
    group: "",
    streamEpoch: 1,
    leaseS: 120,
    beganUnixMs: 1_700_000_000_000,
    ...fields,
  };
}
