// Who may import whom: DESIGN says it in words, ARCHITECTURE.md repeats it, and these tables enforce it over src/.
// Relative imports are resolved before they are judged, so that no spelling of a path gets around a rule.
// Biome's noRestrictedImports sees only the text of an import, and cannot say "nothing but".
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { filesIn, root } from "./prepare.mjs";

const src = join(root, "src");
const RUNNER_PROTO = ["gen/switchyard/runner"];
const PUBLIC_PROTO = ["gen/switchyard/v1", "gen/google", "gen/descriptors"];

/** Folder of src/ to what it may import from src/, beside itself. The longest match counts, on both sides. */
const FOLDERS = {
  core: [],
  link: ["core", ...RUNNER_PROTO],
  runner: ["core", "link", ...RUNNER_PROTO],
  backend: ["core", "link", ...RUNNER_PROTO],
  batch: ["core", "backend"],
  pool: ["core", "backend"],
  tools: ["core", "backend"],
  trajectory: ["core", "tools", "batch", "pool", "backend"],
  artifacts: ["core"],
  grpc: ["core", "artifacts", "trajectory", ...PUBLIC_PROTO],
  client: ["core", ...PUBLIC_PROTO],
  load: ["core", ...PUBLIC_PROTO],
  telemetry: ["core"],
  config: ["core"],
  cli: [
    "core",
    "config",
    "telemetry",
    "client",
    "load",
    "grpc",
    "artifacts",
    "trajectory",
    "tools",
    "batch",
    "pool",
    "backend",
    "link",
  ],
};

/** Package (or scope, with a closing slash) to the only folders that may import it. Others are free where not CLOSED. */
const PACKAGES = {
  "@grpc/": ["grpc", "client", "load", "backend/fleet"],
  "grpc-health-check": ["grpc"],
  "@modelcontextprotocol/": ["tools/external"],
  undici: ["tools/external"],
  "tar-stream": ["artifacts", "backend/docker", "cli/client"],
  "mime-types": ["artifacts"],
  dockerode: ["backend/docker"],
  commander: ["cli"],
  "prom-client": ["telemetry"],
  "hdr-histogram-js": ["load"],
  // The API makes spans; what sends them is loaded only where traces are asked for.
  "@opentelemetry/": ["telemetry/tracing", "telemetry/tracing-export"],
  ...Object.fromEntries(
    ["core", "exporter-trace-otlp-http", "resources", "sdk-trace"].map((name) => [
      `@opentelemetry/${name}`,
      ["telemetry/tracing-export"],
    ]),
  ),
  yaml: ["config", "load"],
  zod: ["config"],
};

/** Folders that import no package but these: core/ stands alone, and the runner is bundled into any image. */
const CLOSED = { core: [], link: ["@bufbuild/protobuf"], runner: ["@bufbuild/protobuf"] };

const IMPORT =
  /^\s*(?:import|export)\b[^"'`;]*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;

const within = (path, folder) => path === folder || path.startsWith(`${folder}/`) || path.startsWith(`${folder}.`);

/** Why `file` (relative to src/) may not import `specifier`; undefined when it may. */
function violation(file, specifier) {
  const folder = file.split("/")[0];
  const allowed = FOLDERS[folder];
  if (allowed === undefined) return "its folder is not in the table of scripts/check-imports.mjs";
  if (!specifier.startsWith(".")) return packageViolation(file, folder, specifier);
  const target = relative(src, join(src, dirname(file), specifier));
  if (within(target, folder) || allowed.some((other) => within(target, other))) return undefined;
  return `${folder}/ may import ${allowed.join(", ") || "nothing of ours"}`;
}

function packageViolation(file, folder, specifier) {
  if (specifier.startsWith("node:")) return undefined;
  const closed = CLOSED[folder];
  if (closed !== undefined && !closed.some((name) => within(specifier, name))) {
    return `${folder}/ may import ${closed.join(", ") || "no package"}`;
  }
  for (const [name, folders] of Object.entries(PACKAGES)) {
    const matches = name.endsWith("/") ? specifier.startsWith(name) : within(specifier, name);
    if (matches && !folders.some((other) => within(file, other)))
      return `only ${folders.join(", ")} may import ${name}`;
  }
  return undefined;
}

let found = 0;
let files = 0;
for (const path of filesIn(src)) {
  const file = relative(src, path);
  if (!file.endsWith(".ts") || within(file, "gen")) continue;
  files++;
  const text = readFileSync(path, "utf8");
  for (const match of text.matchAll(IMPORT)) {
    const specifier = match[1] ?? match[2] ?? match[3];
    const why = violation(file, specifier);
    if (why === undefined) continue;
    found++;
    const line = text.slice(0, match.index + match[0].length).split("\n").length;
    console.log(`src/${file}:${line} imports ${specifier}: ${why}`);
  }
}
console.log(`${files} files, ${found} forbidden imports`);
process.exitCode = found === 0 && files > 0 ? 0 : 1;
