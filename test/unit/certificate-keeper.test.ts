// Renewed certificates, where something else goes on in their folder all the time.
import assert from "node:assert/strict";
import { once } from "node:events";
import { watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateKeeper } from "../../src/grpc/certificate-keeper.js";
import { CertificateMaker } from "../support/certificates.js";
import { FakeClock } from "../support/fake-clock.js";
import { TestLog } from "../support/grpc-service.js";

test("a renewed certificate is taken within five seconds, however busy its folder is", {
  timeout: 20_000,
}, async (t) => {
  const maker = new CertificateMaker(t);
  const [first, second] = [maker.issue("server"), maker.issue("server")];
  const clock = new FakeClock();
  const files = { cert: first.certFile, key: first.keyFile, client_ca: "" };
  const keeper = await CertificateKeeper.start({ files, clock, log: new TestLog() });
  t.after(() => keeper.close());
  const renewed = new Promise<string>((resolve) => keeper.onRenewed(({ serial }) => resolve(serial)));
  writeFileSync(first.certFile, second.cert);
  writeFileSync(first.keyFile, second.key);
  const busy = watch(maker.folder);
  t.after(() => busy.close());
  for (let ms = 0; ms <= 5_000; ms += 200) {
    const seen = once(busy, "change");
    writeFileSync(join(maker.folder, "log"), `${ms}\n`, { flag: "a" });
    await seen;
    await clock.advance(200);
  }
  assert.equal(await renewed, second.serial);
});
