// The link between runner and server, sought and abused from a slot. Where the container itself is the sandbox, its one
// slot may imitate its own runner: then the server must name the violation and end that container, and nothing else. It
// does so on the runner's stdout, which the server heeds where the runner has no socket to it (gVisor), and else by making
// the runner itself write to that socket.
import assert from "node:assert/strict";
import { epochOfName } from "../../src/backend/docker/container-name.js";
import { RunnerFrame } from "../../src/gen/switchyard/runner/v1/runner.js";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { encodeFrame } from "../../src/link/frames.js";
import { type Arena, attack, seconds } from "../support/attack.js";

const PREVENTED = {
  namespace: "prevented",
  uid: "prevented",
  container: "prevented",
  "container (runsc)": "prevented",
};
const IMITATED = {
  namespace: "prevented",
  uid: "prevented",
  container: "violation named, container retired",
  "container (runsc)": "violation named, container retired",
};

attack({
  name: "looks for descriptors that it inherited",
  expected: PREVENTED,
  run: async (arena) => {
    const listed = await arena.program(
      "exec 9</dev/null; exec python3",
      "import os\nprint(*os.listdir('/proc/self/fd'))",
    );
    const open = listed.split(" ").map(Number);
    // The one that is opened before it, and the folder that is being listed.
    assert.ok(open.includes(9), listed);
    const inherited = open.filter((fd) => fd > 2 && fd !== 9);
    return inherited.length <= 1 ? "prevented" : `inherited ${inherited.join()}`;
  },
});

attack({
  name: "looks for the link's nonce in every environment and command line",
  expected: {
    ...PREVENTED,
    container: "only that of its own runner",
    "container (runsc)": "only that of its own runner",
  },
  run: async (arena) => {
    const { Config } = await (await arena.containerOf("attacker")).inspect();
    const nonce = Config.Labels["switchyard.nonce"] ?? "";
    const search =
      "cat /proc/[0-9]*/{environ,cmdline} 2>/dev/null | tr '\\0' '\\n' | grep -oE '[0-9a-f]{32}' | sort -u";
    const decoy = "0123456789abcdef0123456789abcdef";
    const found = (await arena.hostile(`export DECOY=${decoy}; ${search}`)).split("\n").filter((it) => it !== decoy);
    if (found.length === 0) return "prevented";
    return found.join() === nonce ? "only that of its own runner" : `found ${found.join()}`;
  },
});

/** What its own call is named. */
const FORGER = "forger";

/**
 * Writes to the descriptor `fd` of every runner that it finds, or says that it cannot; chunk by chunk when told to. For the
 * descriptor `socket` it stops the runner and has it write to the first socket that it opened, a system call at a time,
 * which a kernel with Yama's ptrace_scope would forbid. For x64.
 */
const WRITE = `
import base64, ctypes, os, sys, time
fd, chunk, data = sys.argv[1], int(sys.argv[2]), base64.b64decode(sys.argv[3]) * int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype, libc.ptrace.argtypes = ctypes.c_long, [ctypes.c_long] * 2 + [ctypes.c_void_p] * 2
SINGLESTEP, GETREGS, SETREGS, ATTACH, DETACH = 9, 12, 13, 16, 17
R10, R9, R8, RAX, RDX, RSI, RDI, ORIG_RAX, RIP = 7, 8, 9, 10, 12, 13, 14, 15, 16
WRITE, MMAP, SIGTRAP = 1, 9, 5
def ptrace(request, pid, at=None):
    if libc.ptrace(request, pid, None, at) != 0: raise OSError(ctypes.get_errno(), "ptrace")

class Traced:
    def __init__(self, pid):
        links = {int(name): os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
        self.socket = min(name for name, link in links.items() if link.startswith("socket:"))
        ptrace(ATTACH, pid)
        os.waitpid(pid, 0)
        self.pid, self.regs = pid, (ctypes.c_ulonglong * 27)()
        ptrace(GETREGS, pid, self.regs)
        self.memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
        self.code = os.pread(self.memory, 2, self.regs[RIP])
        os.pwrite(self.memory, b"\\x0f\\x05", self.regs[RIP])
    def call(self, number, *args):
        regs = (ctypes.c_ulonglong * 27)(*self.regs)
        regs[RAX], regs[ORIG_RAX] = number, 2**64 - 1
        for register, arg in zip((RDI, RSI, RDX, R10, R8, R9), args): regs[register] = arg % 2**64
        ptrace(SETREGS, self.pid, regs)
        while True:
            ptrace(SINGLESTEP, self.pid)
            if os.WSTOPSIG(os.waitpid(self.pid, 0)[1]) == SIGTRAP: break
        ptrace(GETREGS, self.pid, regs)
        return ctypes.c_longlong(regs[RAX]).value
    def write_all(self):
        at = self.call(MMAP, 0, len(data), 3, 0x22, -1, 0)
        os.pwrite(self.memory, data, at)
        written = 0
        while written < len(data):
            count = self.call(WRITE, self.socket, at + written, min(chunk, len(data) - written))
            if count > 0: written += count
            elif count == -11: time.sleep(0.001)
            else: break
    def end(self):
        os.pwrite(self.memory, self.code, self.regs[RIP])
        ptrace(SETREGS, self.pid, self.regs)
        ptrace(DETACH, self.pid)

def target(pid): return os.open(f"/proc/{pid}/fd/{fd if fd != 'socket' else 1}", os.O_WRONLY)
child = os.fork()
if child == 0:
    time.sleep(600)
    os._exit(0)
os.close(target(child))
os.kill(child, 9)
found = []
for pid in [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (os.getpid(), os.getppid(), child)]:
    try:
        if "runner.mjs" in open(f"/proc/{pid}/cmdline").read() or "switchyard" in open(f"/proc/{pid}/comm").read():
            found.append((int(pid), target(pid)))
    except OSError as error: print(f"{pid}: {error}", file=sys.stderr)
if not found: print("prevented")
for pid, runner in found:
    if fd == "socket":
        try:
            # Docker's init names the runner in its command line, too, and has no socket.
            traced = Traced(pid)
        except (OSError, ValueError) as error:
            print(f"{pid}: {error}", file=sys.stderr)
            continue
        traced.write_all()
        traced.end()
    else:
        for at in range(0, len(data), chunk):
            os.write(runner, data[at : at + chunk])
if found: time.sleep(int(sys.argv[5]))
`;

interface Forgery {
  /** Else where the server hears the runner. */
  readonly fd?: 2;
  /** What is written; given the epoch of its server, which is not hard to guess. */
  readonly bytes: (epoch: number) => Buffer;
  readonly times?: number;
  /** Bytes of one write. */
  readonly chunk?: number;
  /** How long its own call goes on after it. */
  readonly lingerS?: number;
  /** What the server must call it. */
  readonly violation: RegExp;
}

async function forge(arena: Arena, forgery: Forgery): Promise<string> {
  const heardOn = arena.level === "container (runsc)" ? 1 : "socket";
  const { fd = heardOn, bytes, times = 1, chunk = 65_536, lingerS = 60, violation } = forgery;
  const attacker = await arena.attacker;
  const written = await attacker.call("write_file", { path: "program", content: WRITE });
  assert.equal(written.status, CallStatus.CALL_STATUS_OK, written.error);
  const { Name } = await (await arena.containerOf("attacker")).inspect();
  const args = [fd, chunk, bytes(epochOfName(Name)).toString("base64"), Math.ceil(times), lingerS].join(" ");
  let said = "";
  const slot = await arena.slotAfter(async () => {
    said = (await attacker.bash(`python3 program ${args}`, { uniqId: FORGER, timeout: seconds(240) })).output;
    if (!said.startsWith("prevented")) await attacker.first("slotLost");
  });
  if (slot === "slot kept") return said.startsWith("prevented") ? "prevented" : `no effect: ${said}`;
  const { reason } = await attacker.first("slotLost");
  assert.match(reason, violation);
  const outcome = slot.replace("slot lost", "violation named");
  return said === "forged" ? `its own call only; ${outcome}` : outcome;
}

type Frame = Parameters<typeof RunnerFrame.fromPartial>[0]["frame"];

function frameOf(frame: Frame): (epoch: number) => Buffer {
  return (epoch) => encodeFrame(RunnerFrame.encode(RunnerFrame.fromPartial({ frame })).finish(), epoch);
}

attack({
  name: "writes garbage into its runner's link",
  expected: IMITATED,
  run: (arena) =>
    forge(arena, { bytes: () => Buffer.alloc(64, 0xff), violation: /^runner sent bytes that are no frame/ }),
});

attack({
  name: "announces a frame of 1 GiB",
  expected: IMITATED,
  run: (arena) =>
    forge(arena, {
      bytes: () => Buffer.from([0x80, 0x80, 0x80, 0x80, 0x04]),
      violation: /no frame: frame over 8388608 bytes/,
    }),
});

attack({
  name: "a frame byte by byte, 50,000 of them",
  expected: IMITATED,
  run: (arena) =>
    forge(arena, {
      // The first three say how long it is, the others are its content again and again. More would take so long that the
      // runner counts as silent before.
      bytes: () => Buffer.from([0xd0, 0x86, 0x03, 0xff]),
      times: 12_501,
      chunk: 1,
      violation: /^runner sent bytes that are no frame/,
    }),
});

attack({
  name: "a result for another call than its own",
  expected: IMITATED,
  run: (arena) =>
    forge(arena, {
      bytes: frameOf({ $case: "callFinished", value: { uniqId: "another", slot: 0, status: "OK", output: "forged" } }),
      violation: /^runner sent a result for a call that it does not have/,
    }),
});

attack({
  name: "answers for a slot that nobody asked about",
  expected: IMITATED,
  whole: true,
  run: (arena) =>
    forge(arena, {
      bytes: frameOf({ $case: "slotClosed", value: { slot: 0 } }),
      violation: /^runner sent an answer that nobody asked for/,
    }),
});

attack({
  name: "a flood of frames that are valid, but unasked",
  expected: IMITATED,
  run: (arena) =>
    forge(arena, {
      bytes: frameOf({ $case: "pong", value: { seq: 7n } }),
      times: 1_000_000,
      violation: /^runner sent a pong that nobody asked for/,
    }),
});

attack({
  name: "claims that a newer server has it",
  expected: IMITATED,
  whole: true,
  run: (arena) =>
    forge(arena, {
      bytes: (epoch) => frameOf({ $case: "pong", value: { seq: 7n } })(epoch + 1),
      violation: /^runner sent the epoch of a server that there is not/,
    }),
});

attack({
  name: "forges the result of its own call",
  expected: {
    ...IMITATED,
    container: "its own call only; violation named, container retired",
    "container (runsc)": "its own call only; violation named, container retired",
  },
  run: (arena) =>
    forge(arena, {
      bytes: frameOf({ $case: "callFinished", value: { uniqId: FORGER, slot: 0, status: "OK", output: "forged" } }),
      lingerS: 0,
      violation: /^runner sent a result for a call that it does not have/,
    }),
});

attack({
  name: "floods its runner's stderr with 256 MiB",
  expected: IMITATED,
  run: (arena) =>
    forge(arena, {
      fd: 2,
      bytes: () => Buffer.from("the operator must read this. "),
      times: (256 * 1024 * 1024) / 29,
      violation: /^runner sent more words than a runner has/,
    }),
});
