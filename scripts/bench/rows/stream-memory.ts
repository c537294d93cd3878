// What an idle stream costs the server in memory. The other half of the table's row is slot-memory.
import type { Row } from "../row.js";
import { idleStreamKib } from "./idle-stream-memory.js";

export const row: Row = {
  name: "stream-memory",
  measure: "memory of an idle stream, with the kernel's part",
  aim: { unit: " KiB", atMost: 25 },
  margin: 75,
  async measured(bench) {
    const value = await idleStreamKib(bench);
    return { value, rounds: [value], ours: `${value.toFixed(1)} KiB`, against: "" };
  },
};
