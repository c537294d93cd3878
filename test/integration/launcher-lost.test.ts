// A launcher whose armed child is killed before the runner has heard of it, and one that falls silent. A shell script plays the
// launcher, so that it happens each time.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Launcher } from "../../src/runner/sandbox/launcher.js";
import { Program } from "../../src/runner/sandbox/program.js";

/** Says that a child is armed whose FIFOs are gone already, and that it has ended. */
const LOSES = (id: number) => `echo armed ${id} ${id}; echo exit ${id} 9`;
/** Arms a child that is there. */
const ARMS = (id: number) => `mkfifo ${id}.in ${id}.out ${id}.err; exec 4<>${id}.in; echo armed ${id} ${id}`;

function launcherThat(t: TestContext, ...acts: string[]): Launcher {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-lost-"));
  const script = ["cd $0", ...acts, "while read -r line; do :; done"].join("\n");
  const entry = { command: ["bash", "-c", script, folder], isWrapped: false, workspace: "", run: "" };
  const launcher = new Launcher(new Program(entry), folder);
  t.after(async () => {
    launcher.destroy();
    await launcher.died;
    rmSync(folder, { recursive: true });
  });
  return launcher;
}

test("an armed child that is gone already is passed over, and the next one is taken", async (t) => {
  await launcherThat(t, LOSES(1), LOSES(2), ARMS(3)).prepare();
});

test("who has asked for a child that is gone asks for another", async (t) => {
  const launcher = launcherThat(t, ARMS(1), "read -r asked", LOSES(2), "read -r again", ARMS(3));
  const first = await launcher.run(["done"]);
  const second = await launcher.run(["done"]);
  assert.notEqual(first, second);
});

test("a launcher whose children are gone time after time is destroyed", async (t) => {
  const launcher = launcherThat(t, ...Array.from({ length: 20 }, (_, at) => LOSES(at + 1)));
  await assert.rejects(launcher.prepare());
  assert.match(await launcher.died, /16 children were gone/);
});

test("a launcher that does not say what its slot weighs is destroyed", async (t) => {
  const launcher = launcherThat(t, ARMS(1));
  launcher.weigh();
  assert.match(await launcher.died, /no answer in time/);
});

test("a launcher that answers late, but then does, lives on", async (t) => {
  const launcher = launcherThat(t, ARMS(1), "while read -r asked; do sleep 11; echo weighs 1 2 3; done");
  const asking = setInterval(() => launcher.weigh(), 100);
  t.after(() => clearInterval(asking));
  const died = launcher.died.then(() => "died");
  assert.equal(await Promise.race([died, new Promise((resolve) => setTimeout(resolve, 40_000, "lives"))]), "lives");
});
