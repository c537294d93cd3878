// A terminal that floods: what is parsed, kept and recorded of it is the slot's own affair, and bounded.
import assert from "node:assert/strict";
import { attack, seconds } from "../support/attack.js";
import { besides, spell, watchRunnerMemory, watchServerMemory } from "../support/bystander.js";
import { bySize } from "../support/suite-size.js";

const FLOOD_S = bySize(3, 20);
const GROWTH_MB_MAX = 96;
/** Resident, of the tmux server; its history is 2,000 lines. */
const TMUX_MB_MAX = 96;
const HARMLESS = "screen answers; neighbours unharmed; memory flat; nothing left";

attack({
  name: "`yes` and control sequences in a tmux pane",
  expected: { namespace: HARMLESS, uid: HARMLESS, container: HARMLESS, "container (runsc)": HARMLESS },
  run: async (arena) => {
    const attacker = await arena.attacker;
    const tmux = (action: string, args: object = {}) =>
      attacker.call("tmux", { action, ...args }, { timeout: seconds(FLOOD_S + 60) });
    assert.equal((await tmux("start", { pane_width: 500, pane_height: 200 })).output, "started");
    const container = await arena.containerOf("attacker");
    const runnerGrowth = await watchRunnerMemory(container);
    const serverGrowth = watchServerMemory();
    // Lines, a title without end, large repetitions and scroll regions, colours, and bytes that are no text.
    const flood = String.raw`yes "$(printf '\033]0;title\033[9999b\033[1;9r\033[38;5;1mx\033[65535X\xff\xc3')" & cat /dev/urandom`;
    const keys = [flood, "Enter"];
    const [sent, { harmed }] = await besides(arena, tmux("send_keys", { keys, min_wait_s: FLOOD_S }));
    assert.equal(sent.output, "ok");
    assert.deepEqual(harmed, []);
    const screen = await tmux("capture", { capture_entire: true });
    assert.ok(screen.output.length > 0 && screen.output.length <= 50_100, `${screen.error} ${screen.output.length}`);
    const recorded = await tmux("stream", { max_bytes: 1_000_000 });
    assert.ok(recorded.output.startsWith('{"version": 2'), recorded.error);
    for (const line of recorded.output.trimEnd().split("\n")) JSON.parse(line);
    const sizes = "ps -eo rss=,args= | awk '/tmux -u -S/ && !/awk/ {print $1; exit}'; wc -c < .tmux-1.asciinema.cast";
    const [residentKb = 0, bytes = 0] = (await attacker.bash(sizes)).output.split("\n").map(Number);
    arena.test.diagnostic(`tmux ${Math.round(residentKb / 1024)} MiB, recording ${bytes} bytes`);
    assert.ok(residentKb > 0 && residentKb / 1024 < TMUX_MB_MAX, `tmux holds ${residentKb} KiB`);
    assert.ok(bytes > 10_000 && bytes < 17_000_000, `the recording has ${bytes} bytes`);
    const [server, runner] = [serverGrowth(), await runnerGrowth()];
    arena.test.diagnostic(`memory: server ${spell(server)}, runner ${spell(runner)}`);
    for (const { beforeMb, peakMb } of [server, runner]) assert.ok(peakMb - beforeMb < GROWTH_MB_MAX, "memory grew");
    assert.equal((await tmux("stop")).output, "stopped");
    const { wiped } = await arena.live.release("attacker", true);
    assert.ok(wiped || arena.level.startsWith("container"), "the slot was not clean");
    return HARMLESS;
  },
});
