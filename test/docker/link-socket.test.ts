// The socket beside a container's attach stream: runners use it where server and daemon see the same folders, also those that
// an earlier server left, and do without it elsewhere.
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { newInstance, onlyContainerOf, removeContainersOf, startDocker } from "../support/docker-engine.js";
import { ServerProcess } from "../support/server-process.js";

const POOL = { slots_per_container: 2, max_containers: 1 };

interface Way {
  /** On the host; undefined when the container has none. */
  readonly folder: string | undefined;
  /** Connections to it that are open. */
  readonly open: number;
}

/** How the only runner of an instance is reached, by the daemon's and the kernel's account. */
async function wayOf(instance: string): Promise<Way> {
  const { Mounts, State } = await (await onlyContainerOf(instance)).inspect();
  const folder = Mounts.find(({ Destination }) => Destination === "/switchyard/link")?.Source;
  // Both ends are listed in the namespace of the one that connected; the server's has the path.
  const sockets = readFileSync(`/proc/${State.Pid}/net/unix`, "latin1").split("\n");
  return { folder, open: sockets.filter((line) => folder !== undefined && line.endsWith(`${folder}/socket`)).length };
}

async function works(test: TestContext, server: ServerProcess, trajectoryId = "works"): Promise<void> {
  const stream = await server.open(test, { trajectoryId });
  assert.equal((await stream.bash("echo heard")).output, "heard");
}

for (const isolation of ["namespace", "uid", "container"]) {
  test(`at ${isolation} the link goes over the socket, of which code in the slot sees nothing to connect to`, async (t) => {
    const slots = isolation === "container" ? 1 : 2;
    const live = await startDocker(t, { ...POOL, slots_per_container: slots, isolation });
    const stream = await live.open({ trajectoryId: "a" });
    assert.equal((await stream.bash("echo heard")).output, "heard");
    const { folder = "", open } = await wayOf(live.instance);
    assert.equal(open, 1);
    assert.deepEqual(readdirSync(folder), [], "it listens only while a link begins");
    const { output } = await stream.bash(
      "ls -A /switchyard/link 2>&1; touch /switchyard/link/made 2>&1 | grep -o '[^:]*$'",
    );
    const seen = { namespace: /No such file/, uid: /Permission denied/, container: /^Read-only file system$/ };
    assert.match(output, seen[isolation as keyof typeof seen]);
    await live.close();
    assert.equal(existsSync(folder), false);
  });
}

test("a runner whose server was killed answers the next one over a socket, too; what belongs to nobody is removed", async (t) => {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const settings = { instance, pools: { default: POOL } };
  const first = new ServerProcess(t, settings);
  await first.ready;
  const stream = await first.open(t, { trajectoryId: "a", resumeToken: "secret" });
  await stream.bash("echo kept > file");
  const { folder = "" } = await wayOf(instance);
  await first.kill("SIGKILL");
  // As a container leaves it that ended while there was no server.
  const orphan = mkdtempSync(folder.slice(0, -6));
  const second = new ServerProcess(t, settings);
  await second.ready;
  const resumed = await second.open(t, { trajectoryId: "a", resumeToken: "secret" });
  assert.equal((await resumed.bash("cat file", { uniqId: "after" })).output, "kept");
  assert.deepEqual(await wayOf(instance), { folder, open: 1 });
  assert.equal(existsSync(orphan), false);
  assert.equal((await second.kill("SIGTERM")).code, 0);
  assert.equal(existsSync(folder), false);
});

test("a folder that was cleared away costs the socket, not the runner", async (t) => {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const settings = { instance, pools: { default: POOL } };
  const first = new ServerProcess(t, settings);
  await first.ready;
  await first.open(t, { trajectoryId: "a" });
  const { folder = "" } = await wayOf(instance);
  await first.kill("SIGKILL");
  rmSync(folder, { recursive: true });
  const second = new ServerProcess(t, settings);
  await second.ready;
  await works(t, second);
  assert.match(await second.logged(/no socket beside it/), /ENOENT/);
  assert.equal((await wayOf(instance)).open, 0);
  await second.kill("SIGKILL");
  const others = mkdtempSync(join(tmpdir(), "switchyard-others-"));
  t.after(() => rmSync(others, { recursive: true }));
  writeFileSync(join(others, "socket"), "theirs");
  symlinkSync(others, folder);
  const third = new ServerProcess(t, settings);
  await third.ready;
  await works(t, third, "third");
  assert.match(await third.logged(/no socket beside it/), /not this server's own/);
  assert.equal((await third.kill("SIGTERM")).code, 0);
  assert.deepEqual([readdirSync(others), lstatSync(folder).isSymbolicLink()], [["socket"], true]);
  rmSync(folder);
});

test("a server whose folders the daemon does not see goes without: one line says so, and everything works", async (t) => {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const own = mkdtempSync(join(tmpdir(), "switchyard-own-"));
  t.after(() => rmSync(own, { recursive: true }));
  const server = new ServerProcess(
    t,
    { instance, pools: { default: POOL } },
    // As under systemd's PrivateTmp, or in a container of its own.
    {
      env: { RUNTIME_DIRECTORY: own },
      within: ["unshare", "--mount", "sh", "-c", `mount -t tmpfs none ${own} && exec "$@"`, "sh"],
    },
  );
  await server.ready;
  await works(t, server);
  assert.match(await server.logged(/does not see this server's folders/), /"level":"info"/);
  assert.deepEqual(await wayOf(instance), { folder: undefined, open: 0 });
  assert.deepEqual(readdirSync(own), []);
  assert.equal((await server.kill("SIGTERM")).code, 0);
});

test("a daemon that is reached over TCP is taken for one on another machine", async (t) => {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const forward = createServer((client) => {
    const daemon = dial("/var/run/docker.sock");
    for (const end of [client, daemon]) end.on("error", () => undefined);
    client.pipe(daemon).pipe(client);
  });
  await once(forward.listen(0, "127.0.0.1"), "listening");
  t.after(() => forward.close());
  const bound = forward.address();
  assert(bound !== null && typeof bound === "object");
  const env = { DOCKER_HOST: `tcp://127.0.0.1:${bound.port}` };
  const server = new ServerProcess(t, { instance, pools: { default: POOL } }, { env });
  await server.ready;
  await works(t, server);
  assert.deepEqual(await wayOf(instance), { folder: undefined, open: 0 });
  assert.equal((await server.kill("SIGTERM")).code, 0);
});
