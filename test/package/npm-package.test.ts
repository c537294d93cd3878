// What `npm pack` makes, as a user gets it: installed into an empty folder, served by npx, and its client compiled.
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { credentials } from "@grpc/grpc-js";
import { packageVersion } from "../../src/cli/package.js";
import { GetStatusRequest, type GetStatusResponse } from "../../src/gen/switchyard/v1/status.js";
import { ToolExecutorServiceClient } from "../../src/gen/switchyard/v1/tool_executor_service.js";
import { containersOf, newInstance, removeContainersOf } from "../support/docker-engine.js";
import { type Installed, NpxServer, packAndInstall, ROOT, run } from "../support/installed-package.js";

const PROGRAM = `
import { SwitchyardClient, type ToolResult } from "switchyard/client";

const client = new SwitchyardClient(process.argv[2] ?? "");
const trajectory = await client.open({ env: { NAME: "package" } });
const result: ToolResult = await trajectory.call("bash", { command: "echo from the $NAME" });
const status: "OK" | string = result.status;
console.log(status, result.output);
await trajectory.close();
client.close();
`;
const BYTES_MAX = 2_000_000;

let installed: Installed & { remove: () => void };
before(async () => {
  installed = await packAndInstall();
});
after(() => installed?.remove());

const inPackage = (...parts: string[]) => join(installed.folder, "node_modules", "switchyard", ...parts);

test("the tarball holds what a user needs, and nothing of the project's own work", () => {
  const { files, tarball } = installed;
  for (const needed of [
    ...["LICENSE", "README.md", "CHANGELOG.md", "dist/runner.mjs", "dist/bundled-licences.txt", "dist/src/cli/main.js"],
    ...["docker/sandbox/Dockerfile", "proto/switchyard/v1/call.proto", "deploy/systemd/switchyard.service"],
    ...["dist/src/client/index.d.ts", "scripts/docker-up", "docs/tools.md"],
  ]) {
    assert.ok(files.includes(needed), `${needed} is missing`);
  }
  const unwanted = files.filter((path) =>
    /\.map$|(?<!\.d)\.ts$|^(src|test|\.ci)\/|\.test\.|^dist\/src\/runner\//.test(path),
  );
  assert.deepEqual(unwanted, []);
  assert.equal(basename(tarball), `switchyard-${packageVersion()}.tgz`);
  assert.ok(statSync(tarball).size < BYTES_MAX, `the tarball has ${statSync(tarball).size} bytes`);
});

test("installing compiles nothing, and what is bundled is named with its licence", (t) => {
  t.diagnostic(`npm install took ${(installed.installMs / 1000).toFixed(1)} s`);
  const account: { packages: Record<string, { hasInstallScript?: boolean }> } = JSON.parse(
    readFileSync(join(installed.folder, "node_modules", ".package-lock.json"), "utf8"),
  );
  const scripts = Object.entries(account.packages).flatMap(([path, it]) => (it.hasInstallScript ? [path] : []));
  // Its script only looks at how its dependants ask for it.
  assert.deepEqual(scripts, ["node_modules/protobufjs"]);
  const licences = readFileSync(inPackage("dist", "bundled-licences.txt"), "utf8");
  for (const name of ["dockerode", "docker-modem", "@bufbuild/protobuf"])
    assert.match(licences, new RegExp(`^${name} \\d`, "m"));
});

test("the version is one: of the command, the package and GetStatus; the doctor finds nothing that keeps it from running", async (t) => {
  assert.equal(await run(installed.folder, "npx", "switchyard", "--version"), `${packageVersion()}\n`);
  const checks: unknown = JSON.parse(await run(installed.folder, "npx", "switchyard", "doctor", "--json"));
  assert.ok(Array.isArray(checks) && checks.length > 5);
  const server = NpxServer.start(installed.folder, newInstance(), "--backend", "process");
  t.after(() => server.kill());
  const { address } = await server.ready();
  assert.equal((await statusOf(address)).version, packageVersion());
  assert.match(await server.interrupt(), /"shutting down"/);
});

test("npx switchyard serve runs calls in containers for a client that was compiled against the package's types", async (t) => {
  const instance = newInstance();
  t.after(() => removeContainersOf(instance));
  const server = NpxServer.start(installed.folder, instance, "--backend", "docker");
  t.after(() => server.kill());
  const { address, backend } = await server.ready();
  assert.equal(backend, "docker");
  writeFileSync(join(installed.folder, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(installed.folder, "program.ts"), PROGRAM);
  for (const [module, moduleResolution] of [
    ["node16", "node16"],
    ["esnext", "bundler"],
  ]) {
    const resolution = ["--module", String(module), "--moduleResolution", String(moduleResolution)];
    const strict = ["--strict", "--exactOptionalPropertyTypes", "--target", "es2022", "--types", "node"];
    await run(installed.folder, join(ROOT, "node_modules/.bin/tsc"), ...strict, ...resolution, "program.ts");
    assert.ok(existsSync(join(installed.folder, "program.js")));
    assert.equal(await run(installed.folder, process.execPath, "program.js", address), "OK from the package\n");
  }
  assert.match(await server.interrupt(), /"shutting down"/);
  assert.deepEqual(await containersOf(instance), []);
});

function statusOf(address: string): Promise<GetStatusResponse> {
  const client = new ToolExecutorServiceClient(address, credentials.createInsecure());
  return new Promise<GetStatusResponse>((resolve, reject) => {
    client.getStatus(GetStatusRequest.fromPartial({}), (error, answer) => (error ? reject(error) : resolve(answer)));
  }).finally(() => client.close());
}
