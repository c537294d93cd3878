// Entry of the runner process: in a container, or as a child process of the server. It speaks the link on stdin and
// stdout, or past them over a socket, and logs on stderr. Environment: SWITCHYARD_NONCE, SWITCHYARD_SLOTS_FOLDER,
// SWITCHYARD_RUNTIME (the folder it came in, absent on the host), SWITCHYARD_SYSTEM (`image`: slots see the whole image;
// `host`: only its system folders), SWITCHYARD_LINK_SOCKET (absent where there is none).
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readdirSync } from "node:fs";
import { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { collectSparingly } from "../core/garbage.js";
import { removeTree } from "../core/remove-tree.js";
import { type RunnerFrame, ServerFrame } from "../gen/switchyard/runner/v1/runner.js";
import { SERVER_FRAME_BYTES_MAX } from "../link/frames.js";
import { Link } from "../link/link.js";
import { encodeRunnerFrame } from "../link/output-frame.js";
import { Runner } from "./runner.js";
import type { LauncherFile } from "./sandbox/sandbox.js";
import { dialServer } from "./server-socket.js";

/** What a slot on the host itself may see of it; everything else is the operator's own. */
const HOST_SYSTEM_FOLDERS = ["bin", "etc", "lib", "lib32", "lib64", "libx32", "nix", "opt", "sbin", "usr", "var"];

function required(name: string): string {
  const value = process.env[name];
  if (!value) {
    process.stderr.write(`${name} is not set: this program is started by the Switchyard server\n`);
    process.exit(2);
  }
  return value;
}

/** The interpreter that came with the runner, if one did; else the image's or the host's own. */
function bundledPerl(folder: string | undefined): string[] {
  if (!folder || !existsSync(`${folder}/perl`)) return ["perl"];
  return [`${folder}/ld.so`, "--library-path", `${folder}/lib`, `${folder}/perl`];
}

/** It stands beside the runner's own file. */
function launcherFile(): LauncherFile {
  const path = fileURLToPath(new URL(`launcher-${process.arch}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`no launcher for the ${process.arch} architecture; x64 and arm64 have one`);
  return { path, fd: openSync(path, "r") };
}

collectSparingly();
const slotsFolder = required("SWITCHYARD_SLOTS_FOLDER");
const nonce = required("SWITCHYARD_NONCE");
const runtime = process.env.SWITCHYARD_RUNTIME;
const onHost = required("SWITCHYARD_SYSTEM") === "host";
mkdirSync(slotsFolder, { recursive: true, mode: 0o711 });
const launcher = launcherFile();
// Output goes out by quarters of a megabyte: through a pipe of 64 KiB each would take several turns. Node cannot widen one.
spawnSync(launcher.path, ["widen"], { stdio: ["ignore", "inherit", "ignore"] });

// process.stdout would block the whole loop while the server is slow to read.
const output = new Socket({ fd: 1, readable: false, writable: true });
const codec = {
  encode: encodeRunnerFrame,
  decode: (bytes: Uint8Array) => ServerFrame.decode(bytes),
  bytesMax: SERVER_FRAME_BYTES_MAX,
};
const socket = process.env.SWITCHYARD_LINK_SOCKET;
const link = new Link<RunnerFrame, ServerFrame>(process.stdin, output, nonce, codec, {
  end: "runner",
  ...(socket && { shortcut: () => dialServer(socket) }),
});
const runner = new Runner(link, {
  slotsFolder,
  hidden: onHost ? readdirSync("/").filter((name) => !HOST_SYSTEM_FOLDERS.includes(name)) : ["switchyard"],
  launcher,
  perl: bundledPerl(runtime),
  exit: (code) => {
    void removeTree(slotsFolder).finally(() => process.exit(code));
  },
  log: (text) => process.stderr.write(`${text}\n`),
});
link.on("closed", () => void runner.end(0));
process.on("SIGTERM", () => void runner.end(0));
// Ctrl-C reaches the whole process group; the server decides when its runners end.
process.on("SIGINT", () => undefined);
