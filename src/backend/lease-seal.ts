// A lease as its runner keeps it for the next server: the record, sealed with a key that only servers of the instance
// have. A runner that was taken over can give back what it was given, and make up no other trajectory.
import { createHmac, timingSafeEqual } from "node:crypto";
import { ID_PATTERN } from "../core/call.js";
import { LeaseRecord } from "../gen/switchyard/runner/v1/runner.js";
import type { SlotBinding } from "./backend.js";

export interface SealedLease {
  readonly record: Buffer;
  readonly seal: Buffer;
}

export function sealLease(binding: SlotBinding, key: Buffer): SealedLease {
  const { streamEpoch, beganUnixMs, env, ...rest } = binding;
  const fields = { ...rest, env: { ...env }, streamEpoch: BigInt(streamEpoch), beganUnixMs: BigInt(beganUnixMs) };
  const record = Buffer.from(LeaseRecord.encode(fields).finish());
  return { record, seal: sealOf(record, key) };
}

/** Undefined when no server of the instance has sealed it. */
export function unsealLease(
  { record, seal }: { record: Uint8Array; seal: Uint8Array },
  key: Buffer,
): SlotBinding | undefined {
  const right = sealOf(record, key);
  if (seal.length !== right.length || !timingSafeEqual(seal, right)) return undefined;
  const { streamEpoch, beganUnixMs, tokenHash, ...rest } = LeaseRecord.decode(record);
  if (!ID_PATTERN.test(rest.trajectoryId)) return undefined;
  return {
    ...rest,
    tokenHash: Buffer.from(tokenHash),
    streamEpoch: Number(streamEpoch),
    beganUnixMs: Number(beganUnixMs),
  };
}

function sealOf(record: Uint8Array, key: Buffer): Buffer {
  return createHmac("sha256", key).update(record).digest();
}
