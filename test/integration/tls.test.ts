// TLS as clients and operators meet it: certificates made here, a server process, and who gets in.
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import {
  type ClientOptions,
  SwitchyardClient,
  SwitchyardClientError,
  type Trajectory,
} from "../../src/client/index.js";
import { CertificateMaker, type Pair } from "../support/certificates.js";
import { ServerProcess } from "../support/server-process.js";
import { authOf, newToken } from "../support/tokens.js";

const TIMES = { backoff: { initialMs: 10, maxMs: 100 }, openTimeoutMs: 1_000, reconnectTimeoutMs: 1_000 };
const cleanUps: (() => void)[] = [];
const suite = { after: (cleanUp: () => void) => cleanUps.push(cleanUp) };

let maker: CertificateMaker;
let stranger: CertificateMaker;
let server: Pair;
before(() => {
  maker = new CertificateMaker(suite);
  stranger = new CertificateMaker(suite, "another CA");
  server = maker.issue("server");
});
after(() => {
  for (const cleanUp of cleanUps) cleanUp();
});

function start(t: TestContext, tls: object, settings: object = {}): ServerProcess {
  return new ServerProcess(t, { tls, ...settings }, { backend: "process" });
}

function filesOf({ certFile: cert, keyFile: key }: Pair) {
  return { cert, key };
}

/** Closed after the test; gives up soon. */
async function clientOf(t: TestContext, process: ServerProcess, options: ClientOptions): Promise<SwitchyardClient> {
  const client = new SwitchyardClient((await process.ready).address, { ...TIMES, ...options });
  t.after(() => client.close());
  return client;
}

/** The message of the UNREACHABLE that a client ends in. */
async function failureOf(client: SwitchyardClient): Promise<string> {
  const error: unknown = await client.status().then(
    () => assert.fail("it got in"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SwitchyardClientError, String(error));
  assert.equal(error.reason, "UNREACHABLE");
  return error.message;
}

/** Of the certificate that a new connection gets. */
async function serialSeen(process: ServerProcess): Promise<string> {
  const { port } = new URL(`tcp://${(await process.ready).address}`);
  const socket = connectTls({ port: Number(port), host: "127.0.0.1", ca: maker.ca, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

async function plainSocket(t: TestContext, process: ServerProcess) {
  const { port } = new URL(`tcp://${(await process.ready).address}`);
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

test("a client that knows the CA runs calls over TLS 1.2 or newer; others are told what is wrong", async (t) => {
  const process = start(t, filesOf(server));
  const client = await clientOf(t, process, { tls: { ca: maker.ca } });
  const trajectory = await client.open();
  assert.equal((await trajectory.call("bash", { command: "echo hi" })).output, "hi");
  await trajectory.close();

  const wrongCa = await failureOf(await clientOf(t, process, { tls: { ca: stranger.ca } }));
  assert.match(wrongCa, /^the server's certificate is not from a CA that is trusted \(tls\.ca\): /);
  const noCa = await failureOf(await clientOf(t, process, { tls: true }));
  assert.match(noCa, /not from a CA that is trusted/);
  const wrongName = await failureOf(
    await clientOf(t, process, { tls: { ca: maker.ca, serverName: "elsewhere.example" } }),
  );
  assert.match(wrongName, /^the server's certificate is for another name \(tls\.serverName\): .*elsewhere\.example/);
  const { port } = new URL(`tcp://${(await process.ready).address}`);
  const old = connectTls({
    port: Number(port),
    host: "127.0.0.1",
    ca: maker.ca,
    minVersion: "TLSv1",
    maxVersion: "TLSv1.1",
    ciphers: "ALL:@SECLEVEL=0",
  });
  const [refused] = await once(old, "error");
  assert.match(String(refused), /version|alert/);
});

test("a name that only tls.serverName gives is good", async (t) => {
  const process = start(t, filesOf(maker.issue("server", { names: "DNS:switchyard.example" })));
  const client = await clientOf(t, process, { tls: { ca: maker.ca, serverName: "switchyard.example" } });
  assert.equal((await client.status()).queueSize, 0);
});

test("with a client CA only its clients get in; the log says why the others do not", async (t) => {
  const process = start(t, { ...filesOf(server), client_ca: maker.caFile });
  const tls = { ca: maker.ca };
  const mine = await clientOf(t, process, { tls: { ...tls, ...maker.issue("alice") } });
  await mine.status();

  assert.match(
    await failureOf(await clientOf(t, process, { tls })),
    /asks for a client certificate \(tls\.cert, tls\.key\)/,
  );
  await process.logged(/"msg":"connection refused: no client certificate"/);
  const strange = await clientOf(t, process, { tls: { ...tls, ...stranger.issue("mallory") } });
  assert.match(await failureOf(strange), /perhaps the server refused the client certificate/);
  const line = await process.logged(/connection refused: the client certificate is not good/);
  assert.match(
    line,
    /"level":"warn".*"peer":"127\.0\.0\.1","reason":"UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)/,
  );
  await mine.status();
});

test("an expired client certificate is refused, with its reason in the log", async (t) => {
  const process = start(t, { ...filesOf(server), client_ca: maker.caFile });
  const late = await clientOf(t, process, { tls: { ca: maker.ca, ...maker.issue("late", { days: -1 }) } });
  await failureOf(late);
  assert.match(await process.logged(/the client certificate is not good/), /"reason":"CERT_HAS_EXPIRED"/);
});

/** Of its events, once it has ended. */
async function typesOf(trajectory: Trajectory): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of trajectory.events()) types.push(type);
  return types;
}

test("a renewed certificate is for new connections; a stream that lives goes on", async (t) => {
  const folder = join(maker.folder, "renewed");
  mkdirSync(folder);
  const [cert, key] = [join(folder, "tls.crt"), join(folder, "tls.key")];
  const write = (pair: Pair) => {
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.key);
  };
  const [first, second] = [server, maker.issue("server")];
  write(first);
  const process = start(t, { cert, key });
  const client = await clientOf(t, process, { tls: { ca: maker.ca } });
  const trajectory = await client.open();
  const seen = typesOf(trajectory);
  await trajectory.call("bash", { command: "echo before > f" });
  assert.equal(await serialSeen(process), first.serial);

  writeFileSync(cert, second.cert);
  await process.logged(/"reason":"tls\.key .* is not the key of the certificate .*certificate not renewed/);
  assert.equal(await serialSeen(process), first.serial, "half a pair keeps the old one");
  truncateSync(key, 20);
  await process.logged(/must hold a private key in PEM/);
  writeFileSync(key, second.key);
  assert.match(await process.logged(/"msg":"certificate renewed"/), new RegExp(`"serial":"${second.serial}"`));
  assert.equal(await serialSeen(process), second.serial);

  assert.equal((await trajectory.call("bash", { command: "cat f" })).output, "before");
  await trajectory.close();
  assert.deepEqual(await seen, ["result", "result"]);
});

test("a swap of the symbolic link that leads to the files is seen, too", async (t) => {
  const folder = join(maker.folder, "secret");
  const second = maker.issue("server");
  for (const [name, pair] of [
    ["..1", server],
    ["..2", second],
  ] as const) {
    mkdirSync(join(folder, name), { recursive: true });
    copyFileSync(pair.certFile, join(folder, name, "tls.crt"));
    copyFileSync(pair.keyFile, join(folder, name, "tls.key"));
  }
  symlinkSync("..1", join(folder, "..data"));
  for (const name of ["tls.crt", "tls.key"]) symlinkSync(join("..data", name), join(folder, name));
  const process = start(t, { cert: join(folder, "tls.crt"), key: join(folder, "tls.key") });
  assert.equal(await serialSeen(process), server.serial);
  symlinkSync("..2", join(folder, "..data_tmp"));
  renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  await process.logged(/"msg":"certificate renewed"/);
  assert.equal(await serialSeen(process), second.serial);
});

test("plain text on a TLS port and TLS on a plain port are refused by name; a thousand idle connections disturb nobody", async (t) => {
  const process = start(t, filesOf(server));
  const client = await clientOf(t, process, { tls: { ca: maker.ca } });
  const trajectory = await client.open();
  await Promise.all(Array.from({ length: 1_000 }, () => plainSocket(t, process)));
  const talkers = await Promise.all(
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\0", "garbage"].map(async (text) => {
      const socket = await plainSocket(t, process);
      socket.resume().write(text);
      return once(socket, "close");
    }),
  );
  assert.equal(talkers.length, 4);
  await process.logged(
    /"level":"warn".*"peer":"127\.0\.0\.1".*connection refused: plain text on a port that speaks TLS/,
  );
  for (let count = 0; count < 20; count += 1) {
    assert.equal((await trajectory.call("bash", { command: `echo ${count}` })).output, `${count}`);
  }
  const another = await clientOf(t, process, { tls: { ca: maker.ca } });
  await another.status();
  await trajectory.close();

  const plain = new ServerProcess(t, {}, { backend: "process" });
  await failureOf(await clientOf(t, plain, { tls: { ca: maker.ca } }));
  await plain.logged(/connection refused: a TLS hello on a port that speaks plain text; set tls\.cert and tls\.key/);
  await (await clientOf(t, plain, {})).status();
});

test("files that cannot be used keep it from starting, with their names; an expired certificate is only a warning", async (t) => {
  const other = maker.issue("other");
  const missing = join(maker.folder, "no-such.pem");
  const refused: readonly [object, RegExp][] = [
    [
      { cert: missing, key: server.keyFile },
      /^switchyard: cannot read tls\.cert: ENOENT.*no-such\.pem.*; give a PEM file/m,
    ],
    [
      { cert: server.certFile, key: other.keyFile },
      /^switchyard: tls\.key \S+ is not the key of the certificate in tls\.cert \S+;/m,
    ],
    [
      { cert: server.keyFile, key: server.keyFile },
      /^switchyard: tls\.cert \S+ must hold certificates in PEM: there is no /m,
    ],
    [
      { cert: server.certFile, key: server.certFile },
      /^switchyard: tls\.key \S+ must hold a private key in PEM, without a passphrase/m,
    ],
    [
      { ...filesOf(server), client_ca: server.keyFile },
      /^switchyard: tls\.client_ca \S+ must hold certificates in PEM/m,
    ],
  ];
  const ends = await Promise.all(refused.map(([tls]) => start(t, tls).exited));
  for (const [at, { code, stderr }] of ends.entries()) {
    assert.equal(code, 1);
    assert.match(stderr, refused[at]?.[1] ?? /^$/);
  }
  const late = start(t, filesOf(maker.issue("server", { days: -1 })));
  await late.ready;
  await late.logged(/"level":"warn".*the certificate in tls\.cert \S+ expired on \d{4}-/);
  const soon = start(t, filesOf(maker.issue("server", { days: 10 })));
  await soon.ready;
  await soon.logged(/"level":"warn".*the certificate in tls\.cert \S+ expires in 9 days/);
});

test("SIGHUP takes renewed files, other files, and what else can change; a bad configuration changes nothing", async (t) => {
  const settings = { tls: filesOf(server), limits: { streams_max: 1 } };
  const process = new ServerProcess(t, settings, { backend: "process" });
  const client = await clientOf(t, process, { tls: { ca: maker.ca } });
  const trajectory = await client.open();
  await assert.rejects(client.open(), /streams_max/);

  const other = maker.issue("server");
  const next = { ...settings, tls: filesOf(other), limits: { streams_max: 2 }, batch: { size_max: 7 } };
  const said = await process.reload(next);
  assert.match(said, /"reloaded":\["tls\.cert","tls\.key","limits\.streams_max"\]/);
  assert.match(said, /"level":"warn".*needs a restart: batch\.size_max"/);
  assert.equal(await serialSeen(process), other.serial);
  await (await client.open()).close();

  const unusable = await process.reload({ ...next, tls: { cert: server.certFile, key: other.keyFile } });
  assert.match(unusable, /"level":"error".*"option":"tls","reason":"tls\.key .* is not the key of/);
  const off = await process.reload({ limits: next.limits, batch: next.batch });
  assert.match(off, /TLS and client certificates are turned on and off by a restart/);
  const misspelt = await process.reload({ ...next, limits: { streams_mx: 1 } });
  assert.match(
    misspelt,
    /"level":"error".*streams_mx is not an option.*did you mean limits\.streams_max.*not reloaded/,
  );
  assert.equal(await serialSeen(process), other.serial);
  assert.equal((await trajectory.call("bash", { command: "echo on" })).output, "on");
  await trajectory.close();
});

test("a refused token is final; a function is asked once more; one that fails is like a server that is away", async (t) => {
  const [old, good] = [newToken("old"), newToken("good")];
  const process = start(t, filesOf(server), authOf(good));
  const tls = { ca: maker.ca };
  const withToken = (token: ClientOptions["token"]) => clientOf(t, process, { tls, ...(token && { token }) });
  assert.equal((await (await withToken(good.text)).status()).queueSize, 0);
  const refused = { reason: "TOKEN_UNKNOWN", code: "UNAUTHENTICATED" };
  await assert.rejects((await withToken(old.text)).open(), refused);
  await assert.rejects((await withToken(old.text)).status(), refused);

  const asked: string[] = [];
  const renewing = await withToken(async () => {
    asked.push("asked");
    return asked.length % 2 === 1 ? old.text : good.text;
  });
  const trajectory = await renewing.open();
  assert.equal((await trajectory.call("bash", { command: "echo in" })).output, "in");
  await trajectory.close();
  await renewing.status();
  assert.equal(asked.length, 4);
  const stubborn = await withToken(() => old.text);
  await assert.rejects(stubborn.open(), refused);
  const broken = await withToken(() => Promise.reject(new Error("the vault is shut")));
  await assert.rejects(broken.open(), { reason: "UNREACHABLE", message: /there is no token: the vault is shut/ });
});
