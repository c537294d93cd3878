// Tokens of a server that runs: what SIGHUP adds, takes away and limits, and what it leaves alone.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { reasonOf } from "../support/grpc-service.js";
import { ServerProcess } from "../support/server-process.js";
import { authOf, Holder, newToken, serviceErrorOf } from "../support/tokens.js";

const POOLS = { pools: { default: { slots_per_container: 3, max_containers: 1 } } };

async function serving(t: TestContext, settings: object) {
  const server = new ServerProcess(t, { ...POOLS, ...settings }, { backend: "process" });
  const { address } = await server.ready;
  const reload = (changed: object) => {
    server.configure(changed);
    return server.reload();
  };
  return { reload, holder: (token: { text: string }) => new Holder(t, address, token) };
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.fail("not refused"),
    (cause: unknown) => serviceErrorOf(cause),
  );
  return `${status[error?.code ?? 0]} ${reasonOf(error)}`;
}

test("a token that is taken away opens nothing more; its open stream goes on, and what it had is nobody else's", async (t) => {
  const [old, other, fresh] = [newToken("old"), newToken("other"), newToken("fresh")];
  const { reload, holder } = await serving(t, authOf(old, other));
  const stream = await holder(old).open({ trajectoryId: "t", resumeToken: "r" });
  assert.equal((await stream.bash("echo kept > file; cat file")).output, "kept");
  const running = stream.bash("while [ ! -e go ]; do sleep 0.05; done; echo went", { uniqId: "running" });
  assert.equal(await refusal(holder(fresh).execute("f", "true", "u")), "UNAUTHENTICATED TOKEN_UNKNOWN");

  await reload({ ...POOLS, ...authOf(other, fresh) });
  assert.equal(await refusal(holder(old).open({ trajectoryId: "u" })), "UNAUTHENTICATED TOKEN_UNKNOWN");
  assert.equal(await refusal(holder(old).execute("t", "true", "u")), "UNAUTHENTICATED TOKEN_UNKNOWN");
  assert.equal((await holder(fresh).execute("f", "echo new", "u")).output, "new");
  const resume = { trajectoryId: "t", resumeToken: "r", requireResume: true };
  assert.equal(await refusal(holder(fresh).open(resume)), "NOT_FOUND TRAJECTORY_UNKNOWN");
  stream.send({ $case: "cancel", value: { uniqId: "running" } });
  assert.match((await running).error, /[Cc]ancelled/);
  assert.equal((await stream.bash("cat file")).output, "kept");

  // The same name with another token is the same principal: so tokens are rotated.
  const rotated = newToken("old");
  await reload({ ...POOLS, ...authOf(other, fresh, rotated) });
  const resumed = await holder(rotated).open(resume);
  assert.equal(resumed.opened.resumed, true);
  assert.equal((await stream.ended)?.code, status.ABORTED);
  assert.equal((await resumed.bash("cat file", { uniqId: "again" })).output, "kept");
});

test("limits change while streams live; an invalid configuration, and one without tokens, change nothing", async (t) => {
  const token = newToken("a", { slots_max: 1, streams_max: 2 });
  const limited = (limits: object) => ({
    ...POOLS,
    auth: { tokens: [{ ...token.settings, ...limits }] },
  });
  const { reload, holder } = await serving(t, limited({}));
  const [one, two] = [await holder(token).open({ trajectoryId: "1" }), await holder(token).open({ trajectoryId: "2" })];
  assert.equal((await one.bash("echo 1")).output, "1");
  const waits = two.bash("echo 2");
  assert.equal(await refusal(holder(token).open({ trajectoryId: "3" })), "RESOURCE_EXHAUSTED LIMIT_REACHED");
  await reload(limited({ slots_max: 2, streams_max: 3 }));
  assert.equal((await waits).output, "2");
  const three = await holder(token).open({ trajectoryId: "3" });
  await reload(limited({ slots_max: 0, calls_per_s: 0.001 }));
  assert.equal((await three.bash("echo 3")).output, "3");
  await assert.rejects(one.bash("true"), /calls_per_s/);

  const said = [
    await reload({ ...POOLS, auth: { tokens: [token.text] } }),
    await reload({ ...POOLS, auth: { tokens: [] } }),
  ].join("");
  assert.match(said, /auth\.tokens is \(hidden\).*\n.*open to everyone/s);
  assert.ok(!said.includes(token.text));
  assert.equal(await refusal(holder(newToken("b")).execute("t", "true", "u")), "UNAUTHENTICATED TOKEN_UNKNOWN");
  assert.equal(await refusal(holder(token).execute("t", "true", "u")), "RESOURCE_EXHAUSTED LIMIT_REACHED");
});

test("a token expires while a stream lives, which goes on", async (t) => {
  const token = newToken("a");
  const { reload, holder } = await serving(t, authOf(token));
  const mine = holder(token);
  const stream = await mine.open({ trajectoryId: "t" });
  const expires = new Date(Date.now() + 2_000).toISOString();
  await reload({ ...POOLS, auth: { tokens: [{ ...token.settings, expires }] } });
  let reason = "";
  for (let call = 0; reason === ""; call += 1) {
    reason = await mine.execute("t", "true", `e${call}`).then(
      () => "",
      (error: unknown) => reasonOf(serviceErrorOf(error)),
    );
  }
  assert.equal(reason, "TOKEN_EXPIRED");
  assert.ok(Date.now() >= Date.parse(expires));
  assert.equal((await stream.bash("echo on")).output, "on");
});
