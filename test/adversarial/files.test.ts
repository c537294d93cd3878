// What is no file, where the file tools are to read or write one: refused at once, whatever it is, and no way out of the
// workspace. Each attack reads and writes an honest file the same way first.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { type Arena, attack, seconds } from "../support/attack.js";

const REFUSED = {
  namespace: "refused at once",
  uid: "refused at once",
  container: "refused at once",
  "container (runsc)": "refused at once",
};
/** Nobody waits for the other end of a FIFO for so long; a call that does is over time. */
const LIMIT = { timeout: seconds(20) };

/** Every path must be refused, to reader and writer, by the tool itself. */
async function refusals(arena: Arena, make: string, paths: readonly string[], why: RegExp): Promise<string> {
  const stream = await arena.attacker;
  const made = await stream.bash(`set -e; echo honest > honest; ${make}`);
  assert.equal(made.status, CallStatus.CALL_STATUS_OK, made.output);
  assert.equal((await stream.call("read_file", { path: "honest" }, LIMIT)).output, "honest\n");
  assert.equal((await stream.call("write_file", { path: "honest", content: "x" }, LIMIT)).success, true);
  const failures: string[] = [];
  for (const path of paths) {
    for (const [tool, args] of Object.entries({ read_file: { path }, write_file: { path, content: "pwned" } })) {
      const { status, error } = await stream.call(tool, args, LIMIT);
      const isRefused = status === CallStatus.CALL_STATUS_TOOL_FAILED && why.test(error);
      if (!isRefused) failures.push(`${tool} ${path}: ${CallStatus[status]} ${error}`);
    }
  }
  await arena.assertNeighbourUnharmed();
  return failures.join("; ") || "refused at once";
}

attack({
  name: "a FIFO, a socket or a folder where a file is read or written",
  expected: REFUSED,
  run: (arena) =>
    refusals(
      arena,
      "mkfifo fifo; mkdir folder; ln -s fifo to-fifo; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'",
      ["fifo", "to-fifo", "folder", "socket", "folder/../fifo", "."],
      /^(Not a file|Cannot (read|write)|File not found|Access denied)/,
    ),
});

attack({
  name: "symlinks to devices, /proc and the system",
  expected: REFUSED,
  run: (arena) =>
    refusals(
      arena,
      "ln -s /dev/zero zero; ln -s /dev/null null; ln -s /proc/self/mem mem; ln -s /proc/1/environ environ; ln -s /etc/passwd passwd; ln -s / root; ln -s loop loop; ln -s /proc/self/cwd/../../../../etc far",
      ["zero", "null", "mem", "environ", "passwd", "root/etc/passwd", "root/tmp/new", "loop", "far/passwd"],
      /^(Access denied: path outside workspace|Cannot (read|write)|File not found|Not a f)/,
    ),
});

attack({
  name: "paths that lead out of the workspace",
  expected: REFUSED,
  run: (arena) =>
    refusals(
      arena,
      "mkdir -p a/b",
      ["../escape", "a/../../escape", "/etc/passwd", "/proc/self/environ", "/workspace/../etc/passwd", "//etc/passwd"],
      /^Access denied: path outside workspace$/,
    ),
});

attack({
  name: "makes device nodes, and reads the host's disk or memory through them",
  expected: {
    namespace: "prevented",
    uid: "prevented",
    container: "prevented",
    "container (runsc)": "prevented",
  },
  run: async (arena) => {
    const output = await arena.hostile(
      `mkfifo fifo && echo control; for place in $PWD /tmp /dev/shm; do
        for node in 'b 8 0' 'b 254 0' 'c 1 1' 'c 1 2' 'c 1 11' 'c 10 229'; do
          mknod $place/node $node 2>/dev/null && head -c 1 $place/node >/dev/null 2>&1 && echo opened $node; rm -f $place/node
        done
      done; for node in /dev/mem /dev/kmem /dev/kmsg /dev/port /dev/sda /dev/vda /dev/kvm; do
        { : <$node; } 2>/dev/null && echo opened $node
      done`,
    );
    assert.match(output, /^control/);
    const opened = output.split("\n").filter((line) => line.startsWith("opened"));
    return opened.length === 0 ? "prevented" : opened.join();
  },
});

attack({
  name: "looks for the host's files through /proc/N/root, /proc/N/cwd and mounts",
  expected: {
    namespace: "prevented",
    uid: "prevented",
    container: "prevented",
    "container (runsc)": "prevented",
  },
  run: async (arena) => {
    const folder = mkdtempSync(join(tmpdir(), "switchyard-host-"));
    arena.test.after(async () => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "secret"), "of the host");
    assert.deepEqual(readdirSync(folder), ["secret"]);
    const search = await arena.hostile(
      `mkdir -p ${folder.replace(/^\//, "")}; cd ${folder.replace(/^\//, "")}; echo own > secret; cd - >/dev/null
       for root in $PWD '' /proc/[0-9]*/root /proc/[0-9]*/cwd /mnt /media /host /rootfs /run/host; do
        cat $root${folder}/secret 2>/dev/null; done; find / -xdev -name docker.sock -o -xdev -name containerd.sock 2>/dev/null`,
      { timeout: seconds(60) },
    );
    assert.match(search, /^own$/m);
    const found = [...new Set(search.split("\n"))].filter((line) => line !== "own");
    return found.length === 0 ? "prevented" : found.join();
  },
});
