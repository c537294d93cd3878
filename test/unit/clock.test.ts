import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { systemClock } from "../../src/core/clock.js";

const DAY_MS = 86_400_000;

test("a wait longer than Node's timers can count fires when it is over, and not at once", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const fired: string[] = [];
    const cancelled: string[] = [];
    systemClock.after(60 * DAY_MS, () => fired.push("60 days"));
    const timer = systemClock.after(60 * DAY_MS, () => cancelled.push("60 days"));
    for (let hour = 1; hour <= 60 * 24 + 2; hour++) {
      if (hour === 30 * 24) timer.cancel();
      mock.timers.tick(DAY_MS / 24);
      if (hour < 60 * 24) assert.deepEqual(fired, [], `after ${hour} hours`);
    }
    assert.deepEqual({ fired, cancelled }, { fired: ["60 days"], cancelled: [] });
  } finally {
    mock.timers.reset();
  }
});
