// Client certificates say who calls where no tokens are configured; where they are, the token does, over TLS too.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SwitchyardClient, SwitchyardClientError } from "../../src/client/index.js";
import { CertificateMaker, type Pair } from "../support/certificates.js";
import { ServerProcess } from "../support/server-process.js";
import { authOf, newToken } from "../support/tokens.js";

async function serving(t: TestContext, settings: object = {}) {
  const maker = new CertificateMaker(t);
  const { certFile: cert, keyFile: key } = maker.issue("server");
  const tls = { cert, key, client_ca: maker.caFile };
  const pools = { default: { slots_per_container: 3, max_containers: 1 } };
  const server = new ServerProcess(t, { tls, pools, ...settings }, { backend: "process" });
  const { address } = await server.ready;
  const connect = (pair: Pair, token?: string) => {
    const client = new SwitchyardClient(address, {
      ...{ tls: { ca: maker.ca, cert: pair.cert, key: pair.key }, reconnectTimeoutMs: 10_000 },
      ...(token !== undefined && { token }),
    });
    t.after(() => client.close());
    return client;
  };
  return { server, maker, connect };
}

async function reasonFor(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => assert.fail("not refused"),
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof SwitchyardClientError, String(error));
  return `${error.code} ${error.reason}`;
}

test("each common name is a principal; a certificate without one is refused", async (t) => {
  const { server, maker, connect } = await serving(t);
  const [a, b] = [connect(maker.issue("trainer a")), connect(maker.issue("trainer b"))];
  const [mine, yours] = [await a.open({ trajectoryId: "t" }), await b.open({ trajectoryId: "t" })];
  assert.equal((await mine.call("bash", { command: "echo a > file; cat file" })).output, "a");
  assert.match((await yours.call("bash", { command: "cat file" })).output, /No such file/);
  await yours.release({ resetWorkspace: true });
  assert.equal((await mine.call("bash", { command: "cat file" })).output, "a");
  assert.equal(
    await reasonFor(b.listArtifacts({ trajectoryId: "t", resumeToken: "" }, ".")),
    "NOT_FOUND TRAJECTORY_UNKNOWN",
  );
  // The same name on a new certificate is the same principal.
  const renewed = connect(maker.issue("trainer a"));
  const { entries } = await renewed.listArtifacts({ trajectoryId: "t", resumeToken: mine.resumeToken }, ".");
  assert.deepEqual(
    entries.map(({ path }) => path),
    ["file"],
  );

  assert.equal(await reasonFor(connect(maker.issue("")).status()), "UNAUTHENTICATED CERTIFICATE_UNSUITABLE");
  await server.logged(/a client certificate without a name/);
});

test("with tokens the token says who calls, whatever the certificate", async (t) => {
  const token = newToken("a");
  const { maker, connect } = await serving(t, authOf(token));
  const [one, other] = [connect(maker.issue("x"), token.text), connect(maker.issue("y"), token.text)];
  const trajectory = await one.open({ trajectoryId: "t" });
  assert.equal((await trajectory.call("bash", { command: "echo 1 > file; cat file" })).output, "1");
  const { entries } = await other.listArtifacts({ trajectoryId: "t", resumeToken: trajectory.resumeToken }, ".");
  assert.deepEqual(
    entries.map(({ path }) => path),
    ["file"],
  );
  assert.equal(await reasonFor(connect(maker.issue("x")).status()), "UNAUTHENTICATED TOKEN_MISSING");
  assert.equal(await reasonFor(connect(maker.issue("x"), "swy_wrong").status()), "UNAUTHENTICATED TOKEN_UNKNOWN");
});
