// The `tmux` tool in real containers, at each isolation level, in an image without tmux, and beyond its server's end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { newInstance, removeContainersOf, startDocker } from "../support/docker-engine.js";
import { livingAre, uniqueSleep } from "../support/processes.js";
import { ServerProcess } from "../support/server-process.js";
import { parseRecording, screenAfter, Terminal } from "../support/terminal.js";
import { FULL_SCREEN_CHECKS, KILL_CHECKS, RECORDING_CHECKS, TMUX_CHECKS } from "../support/tmux-checks.js";

const CHECKS = { ...TMUX_CHECKS, ...RECORDING_CHECKS, ...KILL_CHECKS, ...FULL_SCREEN_CHECKS };

for (const isolation of ["namespace", "uid", "container"]) {
  const slots = isolation === "container" ? 1 : 10;
  const pool = { isolation, slots_per_container: slots, min_containers: 1, max_containers: 10 / slots };
  test(`isolation ${isolation}`, async (t) => {
    const live = await startDocker(t, pool);
    for (const [index, [name, check]] of Object.entries(CHECKS).entries()) {
      await t.test(name, async () => {
        const terminal = await Terminal.open(live, `t${index}`);
        await check(terminal);
        await terminal.stream.halfClose();
      });
    }
  });
}

test("an image without tmux: start says how to mend it", async (t) => {
  const live = await startDocker(t, { isolation: "container", image: "debian:bookworm-slim", slots_per_container: 1 });
  const terminal = await Terminal.open(live, "t");
  const result = await terminal.tmux("start");
  assert.equal(result.status, CallStatus.CALL_STATUS_TOOL_FAILED);
  const advice = "add it there (Debian: apt-get install tmux), or use bash_stateful";
  assert.equal(result.error, `tmux is not installed in the slot's image: ${advice}`);
  assert.equal((await terminal.stream.bash("echo fine")).output, "fine");
});

test("kill -9 of the server: the session, its recording and its offset live on", async (t) => {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const settings = { instance, pools: { default: { slots_per_container: 1, max_containers: 1 } } };
  const first = new ServerProcess(t, settings);
  const before = Terminal.over(await first.open(t, { trajectoryId: "a", resumeToken: "t" }));
  await before.start();
  await before.runs("X=kept");
  const { output: head } = await before.does("stream");
  const word = uniqueSleep(2);
  const keys = [`sleep ${word}; echo late`, "Enter"];
  before.tmux("send_keys", { keys, block: true }, { uniqId: "late" }).catch(() => undefined);
  await livingAre(word, 1);
  await first.kill("SIGKILL");
  await before.stream.ended;

  const second = new ServerProcess(t, settings);
  const stream = await second.open(t, { trajectoryId: "a", resumeToken: "t", requireResume: true });
  const after = Terminal.over(stream, "after");
  const { metadata, output } = await stream.resultOf("late");
  assert.deepEqual([output, metadata?.blocked, metadata?.done, metadata?.stateful], ["ok", true, true, true]);
  await after.runs("echo $X.");
  const screen = await after.screenIs(/\nlate\n[\s\S]*\nkept\.\n/);
  let tail = "";
  while (!/kept\./.test(tail)) tail += (await after.does("stream")).output;
  assert.equal(await screenAfter(parseRecording(head + tail)), screen);
  assert.equal((await second.kill("SIGTERM")).code, 0);
});
