// `switchyard top` and `call` in a real terminal: what is on the screen, what keys do, and what is left behind.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SwitchyardClient } from "../../src/client/index.js";
import { CliTerminal, steady } from "../support/cli.js";
import { startLive } from "../support/live-service.js";
import { ServerProcess } from "../support/server-process.js";

const POOL = { pools: { default: { slots_per_container: 2, max_containers: 1, isolation: "none" } } };

async function openTerminal(t: TestContext, columns?: number, rows?: number) {
  const live = await startLive("process", POOL);
  t.after(() => live.close());
  const terminal = await CliTerminal.open(t, { SWITCHYARD_CLIENT_SERVER: live.address }, columns, rows);
  return { live, terminal };
}

test("top fills the screen, follows what happens and the terminal's size, and leaves the screen as it was", async (t) => {
  const { live, terminal } = await openTerminal(t);
  const client = new SwitchyardClient(live.address);
  t.after(() => client.close());
  await terminal.type("echo before", "Enter");
  await terminal.screenIs(/^before$/m);
  await terminal.type("switchyard top --interval 0.1", "Enter");
  const idle = await terminal.screenIs(/^switchyard .*^q: quit/ms);
  assert.deepEqual(steady(idle).split("\n").filter(Boolean), [
    "switchyard VERSION at ADDRESS, up TIME",
    ...[idle.includes("/s") ? "calls RATE/s (0) errors RATE/s (0)" : "calls 0 errors 0"].map(
      (calls) => `${calls} batch RATE calls queued 0`,
    ),
    "streams 0 trajectories 0",
    "POOL BACKEND ISOLATION CONTAINERS SLOTS LEASED READY WAITING",
    "default process none 1 2 0 2 0",
    "TRAJECTORY POOL GROUP STATE SLOT QUEUED RUNNING CALLS CALLS/S AGE IDLE",
    "q: quit",
  ]);
  assert.equal(idle.split("\n").length, 30, "all of the screen");

  const trajectory = await client.open({ trajectoryId: "watched", group: "mine" });
  const stop = new AbortController();
  await trajectory.call("bash", { command: "exit 3" });
  const running = trajectory.call("bash", { command: "sleep 600" }, { signal: stop.signal, timeoutS: 600 });
  const busy = await terminal.screenIs(/^watched .* attached +1 +0 +1 +2 +\d/m);
  const lines = steady(busy).split("\n");
  assert(lines.includes("default process none 1 2 1 1 0"), busy);
  assert(lines.includes("streams 1 trajectories 1"), busy);
  assert(lines.includes("watched default mine attached 1 0 1 2 RATE TIME TIME"), busy);
  assert.match(steady(busy), /^calls RATE\/s \(2\) errors RATE\/s \(1\) batch RATE calls queued 0$/m);

  await terminal.resize(60, 12);
  const small = await terminal.screenIs(/^q: quit/m);
  const shown = (await terminal.screenIs(/^watched [^\n]*~[\s\S]*^q: quit/m)).split("\n");
  assert.equal(shown.length, 12, small);
  for (const line of shown) assert(line.length <= 60, line);

  stop.abort();
  await running;
  await trajectory.close();
  await terminal.screenIs(/^watched .*lease/m);
  await terminal.type("q");
  const after = await terminal.screenIs(/^before$[\s\S]*\$$/m);
  assert(!after.includes("q: quit") && !after.includes("POOL"), after);
  await terminal.type("echo rc $?", "Enter");
  await terminal.screenIs(/^rc 0$/m);
});

test("top outlives its server, and ends by Ctrl-C", async (t) => {
  const first = new ServerProcess(t, POOL, { backend: "process" });
  const { address } = await first.ready;
  const terminal = await CliTerminal.open(t, { SWITCHYARD_CLIENT_SERVER: address });
  await terminal.type("switchyard top --interval 0.1", "Enter");
  await terminal.screenIs(/^q: quit/m);
  await first.kill("SIGTERM");
  await terminal.screenIs(/^no server answers at [\s\S]*trying again$/m);
  const next = new ServerProcess(t, POOL, { backend: "process", listen: address });
  await next.ready;
  await terminal.screenIs((screen) => screen.includes("calls 0.0/s (0)") && !screen.includes("no server answers"));
  await terminal.type("C-c");
  await terminal.screenIs(/\$$/);
  await terminal.type("echo rc $?", "Enter");
  await terminal.screenIs(/^rc 0$/m);
});

test("the prompt runs commands in one slot, shows output as it comes, and Ctrl-C ends a command, then the prompt", async (t) => {
  const { live, terminal } = await openTerminal(t);
  await terminal.type("switchyard call --timeout 600", "Enter");
  await terminal.screenIs(/switchyard>$/);
  await terminal.type("echo one > file", "Enter");
  await terminal.screenIs(/file\nswitchyard>$/);
  await terminal.type("cat file; echo oops >&2; exit 3", "Enter");
  await terminal.screenIs(/exit code 3\nswitchyard>$/);
  await terminal.type(':tool write_file {"path": "a", "content": "hi"}', "Enter");
  await terminal.screenIs(/Successfully wrote[^\n]*\nswitchyard>$/);
  const screen = steady(await terminal.screen());
  assert.equal(
    screen,
    [
      "$ switchyard call --timeout 600",
      "trajectory ID; :help says what can be done here",
      "switchyard> echo one > file",
      "switchyard> cat file; echo oops >&2; exit 3",
      "one",
      "oops",
      "switchyard: exit code 3",
      'switchyard> :tool write_file {"path": "a", "content": "hi"}',
      "Successfully wrote 2 bytes to a",
      "switchyard>",
    ].join("\n"),
  );

  await terminal.type("echo begun; sleep 600; echo not reached", "Enter");
  await terminal.screenIs(/^begun$/m);
  await live.statusIs(({ pools }) => pools[0]?.slotsLeased === 1);
  await terminal.type("C-c");
  await terminal.screenIs(/\^C\nswitchyard: CANCELLED: [^\n]*\nswitchyard>$/);
  await terminal.type("Up", "Up", "Up", "Enter");
  await terminal.screenIs(/exit code 3\nswitchyard>$/);

  await terminal.type("typed in vain", "C-c");
  await terminal.screenIs(/Ctrl-C again, or Ctrl-D, ends\)\nswitchyard>$/);
  await terminal.type("C-c");
  await terminal.screenIs(/\n\$$/);
  await terminal.type("echo rc $?", "Enter");
  await terminal.screenIs(/^rc 0$/m);
  await live.statusIs(({ trajectories, pools }) => trajectories === 0 && pools[0]?.slotsLeased === 0);
});

test("one call shows its output as it comes, and Ctrl-C cancels it", async (t) => {
  const { live, terminal } = await openTerminal(t);
  await terminal.type("switchyard call --timeout 600 bash 'echo live; sleep 600'; echo rc $?", "Enter");
  await terminal.screenIs(/^live$/m);
  await terminal.type("C-c");
  await terminal.screenIs(/^rc 130$/m);
  await live.statusIs(({ trajectories }) => trajectories === 0);
});

test("a transfer shows how far it is", async (t) => {
  const { terminal } = await openTerminal(t);
  await terminal.type("switchyard call --trajectory files bash 'truncate -s 2M big'; echo rc $?", "Enter");
  await terminal.screenIs(/^rc 0$/m);
  // Its reader takes nothing until it is told to.
  const folder = mkdtempSync(join(tmpdir(), "switchyard-fifo-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const go = join(folder, "go");
  await terminal.type(
    `mkfifo ${go}; switchyard artifacts get --trajectory files big - | (read < ${go}; wc -c)`,
    "Enter",
  );
  const shown = await terminal.screenIs(/^big {2}\[#*-+\] +\d+% {2}.* of 2\.0 MiB {2}.*\/s/m);
  assert(shown.split("\n").every((line) => line.length <= 100));
  writeFileSync(go, "go\n");
  const after = await terminal.screenIs(/^2097152$/m);
  assert(!after.includes("%"), "the bar goes when it is over");
});
