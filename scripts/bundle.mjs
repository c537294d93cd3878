// What the build makes one file of: the runner, which has to start in any image, and dockerode, so that installing the
// package compiles nothing (dockerode's ssh2, which we do not use, would build two native add-ons).
// Beside them the launcher for each architecture, as it is committed, and the licences of all that is in there, which their owners want to go along.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** It is CommonJS, and asks for what Node gives such modules. */
const COMMONJS = [
  'import { createRequire } from "node:module";',
  "const require = createRequire(import.meta.url);",
  'const __dirname = require("node:path").dirname(require("node:url").fileURLToPath(import.meta.url));',
].join(" ");

/** Compiled by scripts/build-launcher, so that building needs no C compiler; one for each architecture. */
const LAUNCHERS = "src/runner/sandbox/launcher/bin";

/** After tsc, whose `dockerode.js` only names the package. */
export async function bundle(root) {
  const dist = join(root, "dist");
  // The asynchronous form leaves a helper process behind for as long as this one lives.
  const { buildSync } = await import("esbuild");
  const common = { absWorkingDir: root, bundle: true, platform: "node", target: "node20", format: "esm" };
  const inputs = [
    ...bundleFile(buildSync, join(dist, "runner.mjs"), { ...common, entryPoints: ["src/runner/main.ts"] }),
    ...bundleFile(buildSync, join(dist, "src/backend/docker/dockerode.js"), {
      ...common,
      entryPoints: ["src/backend/docker/dockerode.ts"],
      banner: { js: COMMONJS },
      alias: { ssh2: "./scripts/no-ssh2.mjs" },
      // Ours anyway.
      external: ["@grpc/*"],
    }),
  ];
  rmSync(join(dist, "src/backend/docker/dockerode.js.map"), { force: true });
  for (const arch of readdirSync(join(root, LAUNCHERS))) {
    const launcher = join(dist, `launcher-${arch}`);
    rmSync(launcher, { force: true });
    copyFileSync(join(root, LAUNCHERS, arch), launcher);
    chmodSync(launcher, 0o755);
  }
  writeFileSync(join(dist, "bundled-licences.txt"), licencesOf(root, packagesOf(inputs)));
}

/** The files that went in, relative to the root. */
function bundleFile(buildSync, outfile, options) {
  const temporary = join(dirname(outfile), `.bundle-${process.pid}.mjs`);
  const { metafile } = buildSync({ ...options, outfile: temporary, metafile: true, logLevel: "warning" });
  renameSync(temporary, outfile);
  return Object.keys(metafile.inputs);
}

function packagesOf(files) {
  const found = files.flatMap((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []);
  return [...new Set(found)].sort();
}

function licencesOf(root, packages) {
  const parts = packages.map((folder) => {
    const { name, version, license, licenses } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const spoken = license ?? licenses?.map(({ type }) => type).join(" OR ");
    return [`${name} ${version}: ${spoken}`, ...texts(join(root, folder))].join("\n\n");
  });
  const what =
    "Packages of others that are part of this package's dist/runner.mjs and dist/src/backend/docker/dockerode.js";
  return `${[what, ...parts].join(`\n\n${"-".repeat(80)}\n`)}\n`;
}

function texts(folder) {
  const names = existsSync(folder)
    ? readdirSync(folder).filter((name) => /^(licen[cs]e|notice|copying)/i.test(name))
    : [];
  return names.sort().map((name) => readFileSync(join(folder, name), "utf8").trim());
}
