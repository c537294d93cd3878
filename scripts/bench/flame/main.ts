// `npm run bench:flame [-- --streams N --out FILE]`: what the whole machine does for `bash true`, as a flame graph and as a table
// of processor time per call: client, server, runners, launchers, the commands themselves, Docker. It needs Docker and Debian's
// linux-perf. Names of the server's functions come from V8; those of the runner, which is in a container, are not known.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { packageFile } from "../../../src/backend/package-files.js";
import { needPrograms } from "../../need-programs.js";
import { DockerBench } from "../bench.js";
import { table } from "../figures.js";
import { type Frame, framesOf } from "./stacks.js";
import { flameGraph } from "./svg.js";

const RECORD_S = 8;
const WARM_UP_S = 20;
const SAMPLES_PER_S = 499;
const OUTPUT_BYTES_MAX = 1 << 30;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { streams: { type: "string", default: "64" }, out: { type: "string" } } });
  needPrograms({ perf: "linux-perf" });
  const folder = mkdtempSync(join(tmpdir(), "switchyard-flame-"));
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort(new Error(`got ${name}`)));
  process.env.NODE_OPTIONS = "--perf-basic-prof --interpreted-frames-native-stack";
  const bench = new DockerBench({ rounds: 1, seconds: RECORD_S, folder, signal: stop.signal });
  const server = await bench.startServer({});
  try {
    const times = ["--warm-up", `${WARM_UP_S}s`, "--duration", `${RECORD_S + 4}s`];
    const load = bench.load(server, ["--streams", values.streams, ...times]);
    await sleep((WARM_UP_S + 3) * 1000, undefined, { signal: stop.signal });
    const script = await recorded(join(folder, "perf.data"), stop.signal);
    const { total } = await load;
    const frames = framesOf(script, (command, pid) => whose(command, pid, server.pid));
    const title = `bash true, ${values.streams} trajectories, ${total.rate.toFixed(0)} calls/s`;
    const out = values.out ?? packageFile("docs", "performance", "flame.svg");
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, flameGraph(frames, title));
    process.stdout.write(`${account(frames, total.rate)}\n${title}; ${out}\n`);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

/** What perf has to say of all processors for RECORD_S. */
async function recorded(file: string, signal: AbortSignal): Promise<string> {
  const run = promisify(execFile);
  const record = ["record", "-a", "-g", "-F", String(SAMPLES_PER_S), "-o", file, "sleep", String(RECORD_S)];
  await run("perf", record, { signal });
  const script = ["script", "-i", file, "-F", "comm,pid,ip,sym"];
  const { stdout } = await run("perf", script, { maxBuffer: OUTPUT_BYTES_MAX, signal });
  return stdout;
}

function whose(command: string, pid: number, serverPid: number): string {
  if (pid === serverPid) return "server";
  if (command === "ld.so") return "runner";
  if (command === "switchyard-laun") return "launcher, and its children until they become commands";
  if (command === "bash") return "bash";
  if (command.startsWith("node")) return "client";
  if (/^(docker|container)/.test(command)) return "Docker";
  return "the rest";
}

/** Microseconds of processor per call, of which in the kernel. */
function account(root: Frame, callsPerS: number): string {
  const us = (samples: number) => ((samples / SAMPLES_PER_S / RECORD_S / callsPerS) * 1e6).toFixed(0);
  const share = (samples: number) => `${((samples / root.samples) * 100).toFixed(0)}%`;
  const all = [...root.callees.values()].sort((a, b) => b.samples - a.samples);
  const rows = all.map((each) => [each.name, us(each.samples), us(inKernel(each)), share(each.samples)]);
  return table([["", "µs per call", "in the kernel", "share"], ...rows]);
}

function inKernel(frame: Frame): number {
  let samples = 0;
  for (const callee of frame.callees.values()) samples += callee.kind === "kernel" ? callee.samples : inKernel(callee);
  return samples;
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
process.exit();
