// The shell that waits for its command, on the process backend, in whose other isolations the launcher may have none.
import { after, before, test } from "node:test";
import { type LiveService, startLive } from "../support/live-service.js";
import { WAITING_SHELL_CHECKS } from "../support/waiting-shell-checks.js";

let live: LiveService;
before(async () => {
  live = await startLive("process", { pools: { default: { slots_per_container: 10 } } });
});
after(() => live.close());

for (const [index, [name, check]] of Object.entries(WAITING_SHELL_CHECKS).entries()) {
  test(name, () => check(live, `t${index}`));
}
