// What a client's options for TLS and tokens come to before anything is connected.
import assert from "node:assert/strict";
import { test } from "node:test";
import { credentials } from "@grpc/grpc-js";
import { SwitchyardClient, SwitchyardClientError } from "../../src/client/index.js";
import { type SecurityOptions, securityOf } from "../../src/client/security.js";
import { tlsFailureIn } from "../../src/client/tls-failure.js";

function refusal(address: string, options: SecurityOptions): string {
  try {
    new SwitchyardClient(address, options).close();
  } catch (error) {
    assert.ok(error instanceof SwitchyardClientError, String(error));
    assert.equal(error.reason, "CONFIG_INVALID");
    return error.message;
  }
  return "";
}

test("a token goes in plain text only to this machine, unless that is asked for", () => {
  const local = [
    "127.0.0.1:1",
    "localhost:1",
    "[::1]:1",
    "dns:///localhost:1",
    "dns:127.0.0.9:1",
    "unix:/s",
    "ipv6:[::1]:1",
  ];
  for (const address of local) assert.equal(refusal(address, { token: "t" }), "", address);
  const others = [
    "10.0.0.1:1",
    "example.org:1",
    "dns:///localhost.example.org:1",
    "ipv4:127.0.0.1:1,10.0.0.1:1",
    "[2001:db8::1]:1",
  ];
  for (const address of others) {
    assert.match(refusal(address, { token: "t" }), /would go to .* in plain text.*allowInsecureToken/, address);
    assert.equal(refusal(address, { token: "t", allowInsecureToken: true }), "");
    assert.equal(refusal(address, { token: () => "t", tls: true }), "");
  }
});

test("options that do not go together are refused", () => {
  const given = { credentials: credentials.createInsecure() };
  assert.match(refusal("h:1", { ...given, tls: true }), /^credentials and tls are both given/);
  assert.match(refusal("h:1", { ...given, token: "t" }), /^credentials and token are both given/);
  assert.match(refusal("h:1", { tls: { cert: "x" } }), /^tls\.cert is given without tls\.key$/);
  assert.match(refusal("h:1", { tls: { cert: "x", key: "y" } }), /^tls\.ca, tls\.cert and tls\.key must be PEM/);
  assert.equal(refusal("h:1", given), "");
});

test("a token that could not be in a header is refused without telling it", () => {
  for (const token of ["", "hunter2\n", "hunter 2", "hünter2"]) {
    const message = refusal("localhost:1", { token });
    assert.match(message, /printable ASCII/);
    assert.ok(!message.includes("2"));
  }
});

test("serverName is what the certificate is compared with", () => {
  const { options } = securityOf("10.0.0.1:1", { tls: { serverName: "a.example" } });
  assert.deepEqual(options, { "grpc.ssl_target_name_override": "a.example" });
});

test("failures of TLS in the words of grpc-js and OpenSSL become advice", () => {
  const around = (text: string) => `No connection established. Last error: ${text}. Resolution note: `;
  const texts: readonly [string, RegExp][] = [
    [
      around("Error: self-signed certificate"),
      /^the server's certificate is not from a CA .*: self-signed certificate$/,
    ],
    [around("Error: certificate has expired"), /^the server's certificate has expired: certificate has expired$/],
    [
      around(
        "80FC:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/x.c:1601:SSL alert number 116\n (2026-11-26T02:45:43.311Z)",
      ),
      /^the server asks for a client certificate \(tls\.cert, tls\.key\): tlsv13 alert certificate required$/,
    ],
    [
      around("1:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:x"),
      /^the server does not speak TLS there/,
    ],
  ];
  for (const [text, expected] of texts) assert.match(tlsFailureIn(text) ?? "", expected);
  assert.equal(tlsFailureIn(around("connect ECONNREFUSED 127.0.0.1:1")), undefined);
});

test("what waits for a token that does not come can be given up", { timeout: 10_000 }, async () => {
  const client = new SwitchyardClient("localhost:1", { token: () => new Promise<string>(() => undefined) });
  const abort = new AbortController();
  const { signal } = abort;
  const watch = client.watchStatus({ signal });
  const ends = [client.execute("t", "bash", { command: "true" }, { signal }), client.open({ signal }), watch.next()];
  const ended = Promise.allSettled(ends);
  abort.abort(new Error("given up"));
  assert.deepEqual(
    (await ended).map(({ status }) => status),
    ["rejected", "rejected", "rejected"],
  );
  const other = assert.rejects(client.status(), { reason: "CLOSED" });
  client.close();
  await other;
});
