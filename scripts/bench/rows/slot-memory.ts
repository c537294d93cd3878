// What an idle slot costs in memory: the proportional share of its processes, and its part of what the kernel holds for the
// container. The runner, which a container has one of, is told beside it.

import { INSTANCE_LABEL } from "../../../src/backend/docker/container-options.js";
import { dockerClient } from "../../../src/backend/docker/dockerode.js";
import { median } from "../figures.js";
import { memoryOf } from "../memory.js";
import type { Row } from "../row.js";

const SLOTS = 32;
const MB = 1e6;

export const row: Row = {
  name: "slot-memory",
  measure: `memory of an idle slot, with the kernel's part, of ${SLOTS} in a container`,
  aim: { unit: " MB", atMost: 4 },
  margin: 12,
  isAlone: true,
  async measured(bench) {
    const instance = `bench-memory-${process.pid}`;
    const server = await bench.startServer({ instance });
    try {
      const filters = { label: [`${INSTANCE_LABEL}=${instance}`] };
      const containers = await dockerClient().listContainers({ filters });
      if (containers.length === 0) throw new Error(`no container of ${instance}`);
      const costs = containers.map(({ Id }) => memoryOf(Id));
      const mb = (of: (cost: (typeof costs)[number]) => number) => `${(median(costs.map(of)) / MB).toFixed(2)} MB`;
      const perSlot = costs.map(({ slots, kernel }) => (slots + kernel) / SLOTS / MB);
      return {
        value: median(perSlot),
        rounds: perSlot,
        ours: mb(({ slots, kernel }) => (slots + kernel) / SLOTS),
        against: "",
        details: [
          ["processes of a slot, PSS", mb(({ slots }) => slots / SLOTS)],
          ["kernel's memory of the container, for each slot", mb(({ kernel }) => kernel / SLOTS)],
          ["runner of a container, PSS", mb(({ runner }) => runner)],
        ],
      };
    } finally {
      await server.stop();
    }
  },
};
