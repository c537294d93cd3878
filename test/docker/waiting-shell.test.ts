// The shell that waits for its command, in real containers, at the levels where the launcher may have one.
import { test } from "node:test";
import { startDocker } from "../support/docker-engine.js";
import { WAITING_SHELL_CHECKS } from "../support/waiting-shell-checks.js";

for (const isolation of ["namespace", "container"]) {
  const slots = isolation === "container" ? 1 : 10;
  const pool = { isolation, slots_per_container: slots, min_containers: 1, max_containers: 10 / slots };
  test(`isolation ${isolation}`, async (t) => {
    const live = await startDocker(t, pool);
    for (const [index, [name, check]] of Object.entries(WAITING_SHELL_CHECKS).entries()) {
      await t.test(name, () => check(live, `t${index}`));
    }
  });
}
