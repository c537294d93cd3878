// The version stands in package.json; what has to repeat it says the same.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { packageFile } from "../../src/backend/package-files.js";
import { packageVersion } from "../../src/cli/package.js";

const read = (...parts: string[]) => readFileSync(packageFile(...parts), "utf8");

test("the lock file, the changelog's newest heading and the image's label have the version of package.json", () => {
  const lock: { version: string; packages: Record<string, { version: string }> } = JSON.parse(
    read("package-lock.json"),
  );
  const said = {
    lock: lock.version,
    root: lock.packages[""]?.version,
    changelog: /^## \[(.*?)\]/m.exec(read("CHANGELOG.md"))?.[1],
    image: /^ARG VERSION=(.*)$/m.exec(read("deploy", "docker", "Dockerfile"))?.[1],
  };
  const version = packageVersion();
  assert.deepEqual(said, { lock: version, root: version, changelog: version, image: version });
});
