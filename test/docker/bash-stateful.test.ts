// bash_stateful in real containers, at each isolation level.
import { test } from "node:test";
import { startDocker } from "../support/docker-engine.js";
import { Session, STATEFUL_CHECKS } from "../support/stateful-checks.js";

for (const isolation of ["namespace", "uid", "container"]) {
  const slots = isolation === "container" ? 1 : 10;
  const pool = { isolation, slots_per_container: slots, min_containers: 1, max_containers: 10 / slots };
  test(`isolation ${isolation}`, async (t) => {
    const live = await startDocker(t, pool);
    for (const [index, [name, check]] of Object.entries(STATEFUL_CHECKS).entries()) {
      await t.test(name, async () => {
        const session = await Session.open(live, `t${index}`);
        await check(session);
        await session.stream.halfClose();
      });
    }
  });
}
