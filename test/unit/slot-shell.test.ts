// The lasting shell's owner, against a launcher that hands out shells which do what the test says.
import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { Lasting, Lent, Output, RunEnd } from "../../src/runner/sandbox/run.js";
import { SlotShell } from "../../src/runner/sandbox/shell.js";

const SILENT: Output = {
  isAtEnd: true,
  take: () => undefined,
  follow: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
  ended: () => Promise.resolve(),
};
const SIGKILLED = { waitStatus: 9 };

class FakeShell implements Lasting {
  readonly input = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly ended: Promise<RunEnd>;
  #die: (end: RunEnd) => void = () => undefined;
  wasEnded = false;

  constructor(
    readonly id: string,
    readonly fifos = id,
  ) {
    this.ended = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  /** What it was fed so far. */
  get fed(): string {
    return String(this.input.read() ?? "");
  }

  end(): void {
    this.wasEnded = true;
    this.die();
  }

  die(): void {
    this.stdout.destroy();
    this.#die(SIGKILLED);
  }
}

class FakeLauncher {
  readonly shells: FakeShell[] = [];
  /** What has to be over before a shell starts. */
  gate: Promise<unknown> = Promise.resolve();
  #ids = 0;

  async start(): Promise<Lasting> {
    await this.gate;
    this.#ids += 1;
    const shell = new FakeShell(`${this.#ids}`);
    this.shells.push(shell);
    return shell;
  }

  async lend(): Promise<Lent> {
    this.#ids += 1;
    return {
      id: `${this.#ids}`,
      fifos: `${this.#ids}`,
      stdout: SILENT,
      stderr: SILENT,
      ended: Promise.resolve({}),
      giveBack: () => undefined,
      kill: async () => undefined,
    };
  }
}

function world() {
  const launcher = new FakeLauncher();
  return { launcher, shell: new SlotShell(launcher, { run: "/run", workspace: "/workspace", env: [] }) };
}

test("a call that is killed while the shell is begun anew does not run in the new one", async () => {
  const { launcher, shell } = world();
  const run = await shell.run("touch unreached");
  let open: () => void = () => undefined;
  launcher.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const [first] = launcher.shells;
  assert.ok(first);
  assert.ok(first.fed.includes("unreached"));
  // Killed before it came to the call, so the call is to run in another.
  first.die();
  await once(first.stdout, "close");
  await new Promise(setImmediate);
  const killed = run.kill();
  open();
  await killed;
  assert.notEqual((await run.ended).waitStatus, undefined);
  assert.ok(!launcher.shells.slice(1).some(({ fed }) => fed.includes("unreached")));
});

test("what is no report is noise, with line ends and without, and too much of it ends the shell", async () => {
  for (const noise of [Buffer.alloc(1000, "x\n"), Buffer.alloc(1000, "x")]) {
    const { launcher, shell } = world();
    const run = await shell.run("true");
    const [first] = launcher.shells;
    assert.ok(first);
    for (let bytes = 0; bytes <= 70_000 && !first.wasEnded; bytes += noise.length) {
      first.stdout.write(noise);
      await new Promise(setImmediate);
    }
    assert.ok(first.wasEnded);
    assert.deepEqual(await run.ended, SIGKILLED);
  }
});
