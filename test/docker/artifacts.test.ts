// ArtifactService in real containers, at every level of isolation.
import { test } from "node:test";
import { checkRefusals, checkRoundTrip, checkUnsafeArchives } from "../support/artifact-checks.js";
import { startDocker } from "../support/docker-engine.js";

for (const isolation of ["namespace", "uid", "container"]) {
  const pool = isolation === "container" ? { slots_per_container: 1, max_containers: 4 } : { max_containers: 1 };
  test(`at level ${isolation}: round trips, refusals, unsafe archives`, async (t) => {
    const { address } = await startDocker(t, { isolation, ...pool });
    await checkRoundTrip(t, address);
    await checkRefusals(t, address);
    await checkUnsafeArchives(t, address);
  });
}
