// The report of a load run as a browser shows it: Chromium has nothing to complain of, and the page asks nobody for anything.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Chromium, needChromium } from "../../scripts/chromium.js";
import { startBench } from "../support/bench-run.js";

const folder = mkdtempSync(join(tmpdir(), "switchyard-page-"));
after(() => rmSync(folder, { recursive: true }));

function whyNot(): string | false {
  try {
    needChromium();
    return false;
  } catch (error) {
    return String(error);
  }
}

function start(t: TestContext): Chromium {
  const chromium = new Chromium();
  t.after(() => chromium.close());
  return chromium;
}

const skip = whyNot();

test("the report page has no errors, asks for nothing, and can be seen", { skip }, async (t) => {
  const file = join(folder, "report.html");
  const flags = ["--null", "--steps", "2,8:1s", "--warm-up", "500ms", "--clients", "2", "--objective", "errors==0"];
  const { code, stderr } = await startBench(...flags, "--html", file).exited;
  assert.equal(code, 0, stderr);
  const chromium = start(t);
  assert.deepEqual(await chromium.load(pathToFileURL(file).href), { logged: [], requested: [] });
  const picture = await chromium.screenshot({ width: 1280 });
  assert.equal(picture.subarray(1, 4).toString(), "PNG");
  assert.ok(picture.readUInt32BE(20) > 1500, "it is higher than its charts");
});

test("a page that logs, throws and asks is noticed", { skip }, async (t) => {
  const file = join(folder, "bad.html");
  const asks = "https://switchyard.invalid/picture.png";
  writeFileSync(file, `<img src="${asks}"><script>console.log("word"); throw new Error("thrown")</script>`);
  const { logged, requested } = await start(t).load(pathToFileURL(file).href);
  assert.deepEqual(requested, [asks]);
  for (const said of ["word", "thrown", "ERR_NAME_NOT_RESOLVED"]) assert.match(logged.join("\n"), new RegExp(said));
});
