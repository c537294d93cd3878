// Signals to everything, by number, by name and up the tree. Whatever an attack kills, the neighbour's calls and what it
// left running go on, and the attacker's trajectory gets a slot again.
import assert from "node:assert/strict";
import { type Arena, attack, seconds } from "../support/attack.js";

const MERCILESS = {
  namespace: "own processes only",
  uid: "own processes only",
  container: "slot lost, container retired",
  "container (runsc)": "slot lost, container retired",
};

/** Both have a process in the background; the attacker's must die, or the attack hit nothing. */
async function strike(arena: Arena, command: string): Promise<string> {
  // Not before it is what it is to be: a fork that has not yet become `sleep` is found by no name.
  const start = "setsid sleep 900 >/dev/null 2>&1 & until grep -qx sleep /proc/$!/comm; do sleep 0.01; done; echo $!";
  const [own, others] = [await arena.hostile(start), await arena.harmless(start)];
  const slot = await arena.slotAfter((attacker) => attacker.bash(command, { timeout: seconds(60) }));
  assert.equal(await arena.harmless(`kill -0 ${others} && echo lives`), "lives", "the neighbour's process");
  if (slot !== "slot kept") return slot;
  assert.match(await arena.hostile(`kill -0 ${own}`), /No such process/);
  return "own processes only";
}

attack({
  name: "`kill -9 -1`",
  expected: MERCILESS,
  run: (arena) => strike(arena, "kill -9 -1"),
});

attack({
  name: "`pkill -9` of the runner, node, bwrap and init by name",
  expected: MERCILESS,
  run: (arena) =>
    strike(
      arena,
      "pkill -9 -x sleep; for name in [l]auncher [b]wrap [r]unner [s]witchyard [d]ocker-init; do pkill -9 -f $name; done; true",
    ),
});

attack({
  name: "`kill -9` of its parent, and of every process up to pid 1",
  expected: MERCILESS,
  run: (arena) =>
    strike(
      arena,
      "pkill -9 -x sleep; pid=$PPID; while [ $pid -gt 0 ]; do kill -9 $pid; pid=$(awk '/^PPid/ {print $2}' /proc/$pid/status); done; true",
    ),
});

attack({
  name: "`kill -9` of every pid, one by one",
  expected: MERCILESS,
  whole: true,
  run: (arena) => strike(arena, "for pid in $(seq 1 3000); do [ $pid = $$ ] || kill -9 $pid 2>/dev/null; done; true"),
});

attack({
  name: "`kill -STOP` of everything: a runner that falls silent",
  expected: { ...MERCILESS, namespace: "own processes only", uid: "own processes only" },
  whole: true,
  run: (arena) => strike(arena, "pkill -9 -x sleep; kill -STOP -1; kill -STOP 1 $PPID; true"),
});
