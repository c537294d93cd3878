// What a pool tells of itself.
import type { Backend, Isolation } from "../backend/backend.js";
import type { PoolContainer } from "./pool-container.js";
import { noSlots, type SlotState } from "./slot.js";

export interface PoolStatus {
  readonly name: string;
  readonly backend: Backend["name"];
  /** What the runners proved; undefined before the first is up. */
  readonly isolation: Isolation | undefined;
  /** Those that are up, retiring ones included. */
  readonly containers: number;
  readonly slotsTotal: number;
  readonly slotsLeased: number;
  readonly slotsReady: number;
  readonly waiting: number;
}

/** Slots by state. */
export function slotStates(members: Iterable<PoolContainer>): Record<SlotState, number> {
  const states = noSlots();
  for (const { slots } of members) for (const { state } of slots) states[state] += 1;
  return states;
}

export function countSlots(
  members: Iterable<PoolContainer>,
): Pick<PoolStatus, "containers" | "slotsTotal" | "slotsLeased" | "slotsReady"> {
  const all = [...members];
  const sum = (count: (member: PoolContainer) => number) => all.reduce((total, it) => total + count(it), 0);
  return {
    containers: all.length,
    slotsTotal: sum((member) => member.slots.length),
    slotsLeased: sum((member) => member.count("leased")),
    slotsReady: sum((member) => (member.serving ? member.count("ready") : 0)),
  };
}
