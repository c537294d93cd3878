// Who may call, over real gRPC: what is refused and how, what principals see of each other, and that tokens go nowhere.
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { ArtifactServiceService } from "../../src/gen/switchyard/v1/artifact_service.js";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { ToolExecutorServiceService } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { reasonOf } from "../support/grpc-service.js";
import { startLive } from "../support/live-service.js";
import { authOf, Holder, newToken, serviceErrorOf, type TestToken } from "../support/tokens.js";
import { TestToolServer } from "../support/tool-server.js";

const POOL = { pools: { default: { slots_per_container: 3, max_containers: 1 } } };
const HEALTH = "/grpc.health.v1.Health/Check";
const REFLECTION = ["v1", "v1alpha"].map(
  (version) => `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
);
const METHODS = [...Object.values(ToolExecutorServiceService), ...Object.values(ArtifactServiceService)].map(
  ({ path }) => path,
);

class LogText extends Writable {
  text = "";
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

async function serving(t: TestContext, settings: object, level = "trace") {
  const log = new LogText();
  const live = await startLive("process", { ...POOL, log: { level }, ...settings }, log);
  t.after(() => live.close());
  return { live, log, holder: (token: Pick<TestToken, "text">) => new Holder(t, live.address, token) };
}

/** One empty message to any kind of method; resolves with how it ended. */
function ask(client: Client, path: string, authorization?: string): Promise<ServiceError | undefined> {
  const bytes = (message: Buffer) => message;
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set("authorization", authorization);
  const call = client.makeBidiStreamRequest(path, bytes, bytes, metadata);
  return new Promise((resolve) => {
    // One that was let in may go on for ever.
    call.on("data", () => {
      call.cancel();
      resolve(undefined);
    });
    call.on("error", (error: ServiceError) => resolve(error));
    call.on("end", () => setImmediate(() => resolve(undefined)));
    call.end(Buffer.alloc(0));
  });
}

function clientOf(t: TestContext, address: string): Client {
  const client = new Client(address, credentials.createInsecure());
  t.after(() => client.close());
  return client;
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.fail("not refused"),
    (cause: unknown) => serviceErrorOf(cause),
  );
  return `${status[error?.code ?? 0]} ${reasonOf(error)}`;
}

test("every method but health asks for a token, and says how to mend it", async (t) => {
  const [good, late] = [newToken("good"), newToken("late", { expires: "2001-01-31T00:00:00Z" })];
  const { live, log } = await serving(t, authOf(good, late));
  const client = clientOf(t, live.address);
  for (const path of [...METHODS, ...REFLECTION]) {
    for (const [authorization, reason, text] of [
      [undefined, "TOKEN_MISSING", /authorization: Bearer TOKEN/],
      ["Basic eDp5", "TOKEN_MISSING", /authorization: Bearer TOKEN/],
      [`Bearer ${good.text}x`, "TOKEN_UNKNOWN", /check it for a slip/],
      [`Bearer ${late.text}`, "TOKEN_EXPIRED", /expired at 2001-01-31T00:00:00\.000Z/],
    ] as const) {
      const error = await ask(client, path, authorization);
      assert.equal(error?.code, status.UNAUTHENTICATED, path);
      assert.equal(reasonOf(error), reason, path);
      assert.match(error?.details ?? "", text);
      assert.doesNotMatch(error?.details ?? "", /good|late\b/);
    }
    const error = await ask(client, path, `Bearer ${good.text}`);
    assert.notEqual(error?.code, status.UNAUTHENTICATED, path);
  }
  assert.equal(await ask(client, HEALTH), undefined);
  assert.equal(await ask(client, HEALTH, "Bearer nonsense"), undefined);
  const lines = log.text.split("\n").filter((line) => line.includes("request refused"));
  assert.ok(lines.length <= 9, `three kinds, each at once and then every 10 s: ${lines.length} lines`);
});

test("reflection can be turned off, with tokens and without", async (t) => {
  const token = newToken("a");
  for (const settings of [{}, authOf(token)]) {
    const { live } = await serving(t, { ...settings, reflection: false });
    for (const path of REFLECTION) {
      const error = await ask(clientOf(t, live.address), path, `Bearer ${token.text}`);
      assert.equal(error?.code, status.UNIMPLEMENTED);
    }
  }
});

test("a flood of bad tokens leaves a few lines in the log, and does not disturb who has a good one", async (t) => {
  const good = newToken("good");
  const { live, log, holder } = await serving(t, authOf(good), "info");
  const stream = await holder(good).open({ trajectoryId: "t" });
  const client = clientOf(t, live.address);
  const bad = newToken("bad");
  const flood = Promise.all(
    Array.from({ length: 2000 }, (_, index) =>
      ask(client, METHODS[index % METHODS.length] ?? "", `Bearer ${bad.text}`),
    ),
  );
  for (let call = 0; call < 20; call += 1) assert.equal((await stream.bash(`echo ${call}`)).output, `${call}`);
  assert.ok((await flood).every((error) => error?.code === status.UNAUTHENTICATED));
  const lines = log.text.split("\n").filter((line) => line.includes("refused"));
  assert.ok(lines.length >= 1 && lines.length <= 6, `${lines.length} lines`);
  assert.ok(!log.text.includes(bad.text));
});

test("one principal cannot see, resume, read or release another's, nor learn that it exists", async (t) => {
  const [a, b] = [newToken("a"), newToken("b")];
  const { holder } = await serving(t, authOf(a, b));
  const [mine, yours] = [holder(a), holder(b)];
  const stream = await mine.open({ trajectoryId: "t", resumeToken: "r", group: "g" });
  assert.equal((await stream.bash("echo secret > file; echo made")).output, "made");
  const open = { trajectoryId: "t", resumeToken: "r", group: "g", requireResume: true };
  const target = { $case: "trajectoryId", value: "t" } as const;
  for (const [attempt, nobodys] of [
    [() => yours.open(open), () => yours.open({ ...open, trajectoryId: "nobodys" })],
    [() => yours.list("t"), () => yours.list("nobodys")],
    [() => yours.release(target), () => yours.release({ ...target, value: "nobodys" })],
  ] as const) {
    assert.equal(await refusal(attempt()), "NOT_FOUND TRAJECTORY_UNKNOWN");
    assert.equal(await refusal(nobodys()), "NOT_FOUND TRAJECTORY_UNKNOWN");
  }
  assert.equal(await yours.release({ $case: "group", value: "g" }), 0);

  const other = await yours.open({ trajectoryId: "t", group: "g" });
  assert.equal(other.opened.resumed, false);
  assert.equal((await other.bash("cat file; echo mine > own; ls", { uniqId: "c1" })).status, CallStatus.CALL_STATUS_OK);
  assert.deepEqual(
    (await yours.list("t")).entries.map(({ path }) => path),
    ["own"],
  );
  assert.equal(await refusal(mine.open({ ...open, resumeToken: "wrong" })), "PERMISSION_DENIED WRONG_TOKEN");
  assert.equal(await yours.release({ $case: "group", value: "g" }), 1);
  assert.equal((await stream.bash("cat file")).output, "secret");
  const again = await mine.open(open);
  assert.equal(again.opened.resumed, true);
  assert.equal((await stream.ended)?.code, status.ABORTED);
});

test("a ToolServer is told whose call it is, and nothing of the token", async (t) => {
  const toolServer = await TestToolServer.start();
  t.after(() => toolServer.close());
  const token = newToken("trainer");
  const { holder } = await serving(t, { ...authOf(token), tool_server: { url: toolServer.url, tools: ["echo"] } });
  const stream = await holder(token).open({ trajectoryId: "t" });
  assert.equal((await stream.call("echo", {}, { uniqId: "u" })).status, CallStatus.CALL_STATUS_OK);
  const { body, authorization } = await toolServer.askedBy("u");
  assert.deepEqual([body.principal, body.trajectory_id, authorization], ["trainer", "t", undefined]);
});

test("limits: streams, slots and calls of a token, and nobody else's", async (t) => {
  const few = newToken("few", { streams_max: 2, slots_max: 1 });
  const [slow, free] = [newToken("slow", { calls_per_s: 0.001 }), newToken("free")];
  const { holder } = await serving(t, authOf(few, slow, free));
  const limited = holder(few);
  const [one, two] = [await limited.open({ trajectoryId: "1" }), await limited.open({ trajectoryId: "2" })];
  assert.equal(await refusal(limited.open({ trajectoryId: "3" })), "RESOURCE_EXHAUSTED LIMIT_REACHED");
  assert.equal((await limited.open({ trajectoryId: "1" })).opened.resumed, true);
  assert.equal((await one.ended)?.code, status.ABORTED);

  const unlimited = holder(free);
  assert.equal((await two.bash("echo 2")).output, "2");
  const waits = limited.execute("1", "echo 1", "w");
  const late = await two.bash("echo still");
  assert.equal(late.output, "still");
  // Two more slots are free, and another's trajectories have them at once.
  for (const id of ["1", "2"]) assert.equal((await unlimited.execute(id, "echo ok", "u")).output, "ok");
  await two.halfClose();
  assert.equal((await waits).output, "1");

  const rare = await holder(slow).open({ trajectoryId: "s" });
  assert.equal((await rare.bash("echo once", { uniqId: "u" })).output, "once");
  assert.equal((await rare.bash("echo once", { uniqId: "u" })).output, "once");
  await assert.rejects(rare.bash("echo twice", { uniqId: "v" }), /rejected.*calls_per_s/);
  assert.equal(await refusal(holder(slow).execute("s", "true", "w")), "RESOURCE_EXHAUSTED LIMIT_REACHED");
  assert.equal(await refusal(holder(slow).execute("other", "true", "w")), "RESOURCE_EXHAUSTED LIMIT_REACHED");
});

test("tokens reach no log, no slot, no status answer and no figures; nor does their SHA-256", async (t) => {
  const [good, bad] = [newToken("good"), newToken("bad")];
  const { live, log, holder } = await serving(t, { ...authOf(good), http: { listen: "127.0.0.1:0" } });
  const stream = await holder(good).open({ trajectoryId: "t" });
  const everything =
    "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; ls -laR / 2>/dev/null | head -c 20000";
  const seen = await stream.bash(everything);
  assert.match(seen.output, /PATH=/);
  await refusal(holder(bad).open({ trajectoryId: "t" }));
  const metrics = await (await fetch(`http://${live.httpAddress}/metrics`)).text();
  assert.match(metrics, /switchyard_/);
  const client = clientOf(t, live.address);
  const answers: Buffer[] = [];
  const bytes = (message: Buffer) => message;
  for (const path of [ToolExecutorServiceService.getStatus.path, ToolExecutorServiceService.listTools.path]) {
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${good.text}`);
    answers.push(
      await new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), metadata, (error, answer) =>
          error ? reject(error) : resolve(answer ?? Buffer.alloc(0)),
        );
      }),
    );
  }
  assert.match(log.text, /refused/);
  for (const text of [seen.output, log.text, metrics, ...answers.map((answer) => answer.toString("latin1"))]) {
    for (const secret of [good.text, bad.text, good.settings.sha256]) assert.ok(!text.includes(secret));
  }
});
