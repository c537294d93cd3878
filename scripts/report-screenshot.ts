// scripts/report-screenshot [FILE]: a short load against a server with the Docker backend, and its report as Chromium shows it,
// as a PNG (docs/load-report.png). Exit code 1 when the page logs anything or asks for anything, which it must not.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DockerBench } from "./bench/bench.js";
import { Chromium, needChromium } from "./chromium.js";

const FILE = "docs/load-report.png";
const SIZE = { width: 1280, height: 1600 };
const MIX = "90:bash:true,9:bash:sleep 0.5,1:read_file:64KiB";
const LOAD = ["--streams", "64", "--think", "exp:250ms", "--mix", MIX, "--clients", "2"];
const TIMES = ["--warm-up", "3s", "--duration", "30s"];

async function main(): Promise<void> {
  needChromium();
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort(new Error(`got ${name}`)));
  const folder = mkdtempSync(join(tmpdir(), "switchyard-report-"));
  const bench = new DockerBench({ rounds: 1, seconds: 1, folder, signal: stop.signal });
  try {
    const page = join(folder, "report.html");
    const server = await bench.server();
    await bench.load(server, [...LOAD, ...TIMES, "--html", page, "--objective", "p99<60s", "--objective", "errors==0"]);
    await photograph(page, process.argv[2] ?? FILE);
  } finally {
    await bench.end();
    rmSync(folder, { recursive: true });
  }
}

async function photograph(page: string, file: string): Promise<void> {
  const chromium = new Chromium();
  try {
    const { logged, requested } = await chromium.load(pathToFileURL(page).href);
    if (logged.length + requested.length > 0) throw new Error([...logged, ...requested].join("\n"));
    writeFileSync(file, await chromium.screenshot(SIZE));
  } finally {
    await chromium.close();
  }
}

try {
  await main();
} catch (error) {
  console.error(`report-screenshot: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
