// What a stream that waits for its model costs the server: opened, with a slot of the null backend, after one call whose result is
// acknowledged. The other half of the table's row is slot-memory. PSS of the server's process, and what the kernel holds for its connections and page tables.
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { Client, credentials } from "@grpc/grpc-js";
import { ackFrame, callFrame, type DownFrame, decodeFrame, encodeCallBody, openFrame } from "../../../src/load/wire.js";
import type { Server } from "../../server.js";
import type { Bench, Row } from "../row.js";
import { COLLECT, COLLECTED, startNullService } from "../start-null-service.js";

const METHOD = "/switchyard.v1.ToolExecutorService/RunTrajectory";
/** Those that are there before, so that what a server needs only once is not counted; both are whole connections. */
const FIRST = 500;
const MEASURED = 4_000;
/** As clients are told to share them. */
const PER_CONNECTION = 250;
const PAGE_BYTES = 4096;
/** A socket's file, inode and directory entry, beside its own object. */
const SOCKET_FILE_BYTES = 1_100;
const TRUE = { name: "bash", arguments: { command: "true" }, timeoutS: undefined, streamOutput: false };
const CALL = encodeCallBody(TRUE);

export const row: Row = {
  name: "stream-memory",
  measure: "memory of an idle stream, with the kernel's part",
  aim: { unit: " KiB", atMost: 25 },
  margin: 75,
  isAlone: true,
  async measured(bench) {
    const value = await idleStreamKib(bench);
    return { value, rounds: [value], ours: `${value.toFixed(1)} KiB`, against: "" };
  },
};

/** KiB for each idle stream. */
async function idleStreamKib(bench: Pick<Bench, "folder" | "signal">): Promise<number> {
  const server = await startNullService(bench, FIRST + MEASURED);
  const clients: Client[] = [];
  try {
    await openIdle(server.address, FIRST, clients);
    const before = await bytesOf(server, bench.signal);
    await openIdle(server.address, MEASURED, clients);
    return ((await bytesOf(server, bench.signal)) - before) / MEASURED / 1024;
  } finally {
    for (const client of clients) client.close();
    await server.stop();
  }
}

async function openIdle(address: string, count: number, clients: Client[]): Promise<void> {
  const options = { "grpc.use_local_subchannel_pool": 1 };
  for (let opened = 0; opened < count; opened += PER_CONNECTION) {
    const client = new Client(address, credentials.createInsecure(), options);
    clients.push(client);
    const names = Array.from({ length: PER_CONNECTION }, (_, at) => `idle-${clients.length}-${at}`);
    await Promise.all(names.map((name) => idle(client, name)));
  }
}

/** Resolves when the stream has nothing more to do. */
function idle(client: Client, name: string): Promise<void> {
  const stream = client.makeBidiStreamRequest<Buffer, DownFrame>(METHOD, (bytes) => bytes, decodeFrame);
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("data", (frame: DownFrame) => {
      if (frame.kind === "opened") stream.write(callFrame("1", CALL));
      else if (frame.kind === "result") stream.write(ackFrame(["1"]), () => resolve());
      else reject(new Error(`${name}: ${frame.kind} instead of a result`));
    });
    stream.write(openFrame({ trajectoryId: name, pool: "", group: "idle" }));
  });
}

/** Once the server has collected its garbage. */
async function bytesOf(server: Server, signal: AbortSignal): Promise<number> {
  const before = collections(server);
  process.kill(server.pid, COLLECT);
  while (collections(server) === before) await setTimeout(50, undefined, { signal });
  const sockets = readFileSync("/proc/net/protocols", "latin1").matchAll(/^TCP(?:v6)? +(\d+) +(\d+) +(-?\d+)/gm);
  let kernel = kib(`/proc/${server.pid}/status`, "VmPTE");
  for (const [, bytes, count, pages] of sockets) {
    kernel += Number(count) * (Number(bytes) + SOCKET_FILE_BYTES) + Math.max(0, Number(pages)) * PAGE_BYTES;
  }
  return kib(`/proc/${server.pid}/smaps_rollup`, "Pss") + kernel;
}

function collections(server: Server): number {
  return server.log.split(COLLECTED).length;
}

/** In bytes. */
function kib(file: string, name: string): number {
  const [, value] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync(file, "latin1")) ?? [];
  if (value === undefined) throw new Error(`${file} has no ${name}`);
  return Number(value) * 1024;
}
