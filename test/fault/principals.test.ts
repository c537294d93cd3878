// The server dies, and the next one of its instance gives each principal its own trajectories back, whatever became of tokens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { containersOf } from "../support/docker-engine.js";
import { reasonOf } from "../support/grpc-service.js";
import { instanceSettings, ServerProcess } from "../support/server-process.js";
import { authOf, Holder, newToken, serviceErrorOf } from "../support/tokens.js";

test("kill -9 of the server: two principals' trajectories of one id go on as theirs; a principal that is gone leaves with its lease", async (t) => {
  const [a, b, gone, fresh] = [newToken("a"), newToken("b"), newToken("gone"), newToken("fresh")];
  const settings = { ...instanceSettings(t), lease: { default_s: 600 } };
  const first = new ServerProcess(t, { ...settings, ...authOf(a, b, gone) });
  const before = async (token: typeof a, lease?: number) => {
    const holder = new Holder(t, (await first.ready).address, token);
    const stream = await holder.open({
      ...{ trajectoryId: "t", group: "g" },
      ...(lease !== undefined && { lease: { seconds: BigInt(lease), nanos: 0 } }),
    });
    assert.equal((await stream.bash(`echo ${token.settings.name} > file`, { uniqId: "u" })).error, "");
    return stream.opened.incarnation;
  };
  const lives = [await before(a), await before(b), await before(gone, 3)];
  const containers = await containersOf(settings.instance);
  await first.kill("SIGKILL");

  const rotated = newToken("b");
  const second = new ServerProcess(t, { ...settings, ...authOf(a, rotated, fresh) });
  const { address } = await second.ready;
  assert.deepEqual(await containersOf(settings.instance), containers);
  const open = { trajectoryId: "t", group: "g", requireResume: true };
  for (const [token, life] of [
    [a, lives[0]],
    [rotated, lives[1]],
  ] as const) {
    const stream = await new Holder(t, address, token).open(open);
    assert.equal(stream.opened.incarnation, life);
    assert.equal((await stream.resultOf("u")).exitCode, 0);
    assert.equal((await stream.bash("cat file")).output, token.settings.name);
  }
  const reasonFor = (token: typeof a) =>
    new Holder(t, address, token).open(open).then(
      () => "opened",
      (error: unknown) => reasonOf(serviceErrorOf(error)),
    );
  assert.equal(await reasonFor(fresh), "TRAJECTORY_UNKNOWN");
  assert.equal(await reasonFor(gone), "TOKEN_UNKNOWN");
  assert.equal(await reasonFor(b), "TOKEN_UNKNOWN");
  for (let leased = 3; leased > 2; ) {
    const { pools } = await new Holder(t, address, a).status();
    leased = pools[0]?.slotsLeased ?? 0;
  }
  await second.kill("SIGTERM");
  assert.deepEqual(await containersOf(settings.instance), []);
});
