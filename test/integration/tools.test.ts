// The sandbox tools through the whole server: outputs, error texts, metadata, and what stays from call to call.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CallStatus, Fault, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { living, livingAre, uniqueSleep } from "../support/processes.js";
import type { TrajectoryClient } from "../support/trajectory-client.js";

const FILE_BYTES_MAX = 5000;
const CHARS_MAX = 2000;

let live: LiveService;
let stream: TrajectoryClient;
let sandboxed: boolean;

before(async () => {
  live = await startLive("process", {
    output: { chars_max: CHARS_MAX },
    files: { bytes_max: FILE_BYTES_MAX },
    pools: { default: { slots_per_container: 4 } },
  });
  sandboxed = (await live.status()).pools[0]?.isolation !== "none";
  stream = await live.open({ trajectoryId: "tools", env: { GREETING: "hello = world", EMPTY: "" } });
});

after(() => live.close());

interface Expected {
  readonly status: CallStatus;
  readonly error: string;
  readonly output?: string;
}

function assertResult(result: ToolResult, { status, error, output }: Expected): void {
  const { success, fault } = result;
  assert.deepEqual({ status: result.status, error: result.error }, { status, error });
  assert.equal(success, status === CallStatus.CALL_STATUS_OK);
  const ordinary = status === CallStatus.CALL_STATUS_OK || status === CallStatus.CALL_STATUS_NONZERO_EXIT;
  assert.equal(fault, ordinary ? Fault.FAULT_NONE : Fault.FAULT_POLICY);
  if (output !== undefined) assert.equal(result.output, output);
}

const OK = { status: CallStatus.CALL_STATUS_OK, error: "" };

describe("bash and terminal", () => {
  for (const tool of ["bash", "terminal"]) {
    test(`${tool}: output, exit code and metadata`, async () => {
      const result = await stream.call(tool, { command: "echo out; echo err >&2", timeout: 7 });
      assertResult(result, { ...OK, output: "out\n\n[stderr]\nerr" });
      assert.equal(result.exitCode, 0);
      assert.equal(result.signal, "");
      assert.equal(result.outputBytesTotal, 8n);
      assert.equal(result.truncated, false);
      const { isolation, ...rest } = result.metadata ?? {};
      assert.equal(isolation === "none", !sandboxed);
      assert.deepEqual(rest, { exit_code: 0, sandboxed, network_isolated: sandboxed, timeout: 7 });
    });
  }

  const ends: readonly [string, Expected & { exitCode?: number; signal?: string }][] = [
    ["exit 3", { status: CallStatus.CALL_STATUS_NONZERO_EXIT, error: "Exit code: 3", exitCode: 3 }],
    ["exit 137", { status: CallStatus.CALL_STATUS_NONZERO_EXIT, error: "Exit code: 137", exitCode: 137 }],
    ["no-such-program", { status: CallStatus.CALL_STATUS_NONZERO_EXIT, error: "Exit code: 127", exitCode: 127 }],
    ["echo 'unclosed", { status: CallStatus.CALL_STATUS_NONZERO_EXIT, error: "Exit code: 2", exitCode: 2 }],
    ["kill -9 $$", { status: CallStatus.CALL_STATUS_SIGNALED, error: "Killed by SIGKILL", signal: "SIGKILL" }],
    ["kill -SEGV $$", { status: CallStatus.CALL_STATUS_SIGNALED, error: "Killed by SIGSEGV", signal: "SIGSEGV" }],
    ["(kill -9 $BASHPID); exit 0", { ...OK, exitCode: 0 }],
    ["exec true", { ...OK, exitCode: 0 }],
    [
      "set -e; false; echo unreached",
      { status: CallStatus.CALL_STATUS_NONZERO_EXIT, error: "Exit code: 1", exitCode: 1 },
    ],
    ["cat <<'END'\nheredoc $HOME\nEND", { ...OK, output: "heredoc $HOME", exitCode: 0 }],
    ["cat; echo stdin is empty", { ...OK, output: "stdin is empty", exitCode: 0 }],
    [`printf '%s|' "$GREETING" "\${EMPTY-unset}"`, { ...OK, output: "hello = world||", exitCode: 0 }],
    ['[ "$PWD" = "$HOME" ] && echo "$USER $LANG"', { ...OK, output: "agent C.UTF-8", exitCode: 0 }],
    ["env | grep -c SWITCHYARD", { status: CallStatus.CALL_STATUS_NONZERO_EXIT, error: "Exit code: 1", exitCode: 1 }],
    ["ls /proc/self/fd | wc -l", { ...OK, output: "4", exitCode: 0 }],
    [" ", { ...OK, output: "", exitCode: 0 }],
  ];
  for (const [command, { exitCode, signal = "", ...expected }] of ends) {
    test(JSON.stringify(command), async () => {
      const result = await stream.bash(command);
      assertResult(result, expected);
      assert.equal(result.exitCode, exitCode);
      assert.equal(result.metadata?.exit_code, exitCode);
      assert.equal(result.signal, signal);
    });
  }

  test("bytes that are no UTF-8 come as valid text, all 256 of them", async () => {
    const result = await stream.bash(`for i in $(seq 0 255); do printf "\\\\x$(printf %x $i)"; done`);
    assertResult(result, OK);
    assert.equal(result.outputBytesTotal, 256n);
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    assert.equal(result.output, every.toString("utf8").trim());
  });

  test("long output keeps its head and its tail, and tells the true total", async () => {
    const result = await stream.bash("seq 1 100000; seq 1 50000 >&2");
    assertResult(result, OK);
    assert.equal(result.truncated, true);
    assert.equal(result.outputBytesTotal, 588_895n + 288_894n);
    assert([...result.output].length <= CHARS_MAX);
    const [out = "", err = ""] = result.output.split("\n[stderr]\n");
    assert.match(out, /^1\n2\n3\n[\s\S]+\[\.\.\. \d+ bytes missing \.\.\.\][\s\S]+\n99999\n100000\n$/);
    assert.match(err, /^1\n2\n3\n[\s\S]+\[\.\.\. \d+ bytes missing \.\.\.\][\s\S]+\n49999\n50000$/);
  });

  // The kernel takes no argument of 131,072 bytes, its closing NUL included.
  for (const bytes of [131_070, 131_071, 131_072, 200_000, 3_000_000]) {
    test(`a command of ${bytes} bytes`, async () => {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash that puts the length in
      const rest = "echo $PWD:${#word}; exit 5";
      const word = "x".repeat(bytes - rest.length - "word=; ".length);
      const result = await stream.bash(`word=${word}; ${rest}`);
      assertResult(result, { status: CallStatus.CALL_STATUS_NONZERO_EXIT, error: "Exit code: 5" });
      assert.match(result.output, new RegExp(`^/.*workspace:${word.length}$`));
    });
  }

  const invalid: readonly [string, object, string][] = [
    ["bash", {}, "Missing command"],
    ["bash", { command: "" }, "Missing command"],
    ["terminal", { command: ["ls"] }, "Argument command must be a string, not a list"],
    ["bash", { command: "a\0b" }, "Argument command must not contain a NUL character"],
    ["terminal", { command: "true", background: true }, "terminal background execution is not supported in sandbox"],
  ];
  for (const [tool, args, error] of invalid) {
    test(`${tool} ${JSON.stringify(args)}: ${error}`, async () =>
      assertResult(await stream.call(tool, args), { status: CallStatus.CALL_STATUS_INVALID, error }));
  }

  test("an unknown tool", async () =>
    assertResult(await stream.call("frobnicate", {}), {
      status: CallStatus.CALL_STATUS_UNKNOWN_TOOL,
      error: "Unknown tool: frobnicate",
    }));
});

describe("files", () => {
  const refused = (error: string) => ({ status: CallStatus.CALL_STATUS_TOOL_FAILED, error });
  const OUTSIDE = refused("Access denied: path outside workspace");

  test("what is written is read, parents are made, and the metadata tell path and size", async () => {
    const written = await stream.call("write_file", { path: "deep/er/é.txt", content: "grüße\n" });
    assertResult(written, { ...OK, output: "Successfully wrote 8 bytes to deep/er/é.txt" });
    assert.equal(written.metadata?.path, "deep/er/é.txt");
    assert.equal(written.metadata?.size, 8);
    const read = await stream.call("read_file", { path: "./deep//er/../er/é.txt" });
    assertResult(read, { ...OK, output: "grüße\n" });
    assert.deepEqual([read.metadata?.path, read.metadata?.size], ["./deep//er/../er/é.txt", 8]);
    assert.equal((await stream.bash("cat deep/er/*")).output, "grüße");
  });

  test("an absolute path within the workspace is one", async () => {
    const { output } = await stream.bash("pwd");
    await stream.call("write_file", { path: `${output}/absolute`, content: "yes" });
    assertResult(await stream.call("read_file", { path: "absolute" }), { ...OK, output: "yes" });
  });

  test("an old file is replaced, to its end", async () => {
    await stream.call("write_file", { path: "replaced", content: "long content" });
    await stream.call("write_file", { path: "replaced", content: "short" });
    assertResult(await stream.call("read_file", { path: "replaced" }), { ...OK, output: "short" });
    await stream.call("write_file", { path: "replaced", content: "" });
    assertResult(await stream.call("read_file", { path: "replaced" }), { ...OK, output: "" });
  });

  test("base64 both ways, byte for byte", async () => {
    const bytes = Buffer.from(Array.from({ length: 1024 }, (_, at) => at % 256));
    const content = bytes.toString("base64");
    const written = await stream.call("write_file", { path: "binary", content, encoding: "base64" });
    assertResult(written, { ...OK, output: "Successfully wrote 1024 bytes to binary" });
    assertResult(await stream.call("read_file", { path: "binary", encoding: "base64" }), { ...OK, output: content });
    const text = await stream.call("read_file", { path: "binary" });
    assertResult(text, { ...OK, output: bytes.toString("utf8") });
  });

  test("offset and limit count bytes", async () => {
    await stream.call("write_file", { path: "digits", content: "0123456789" });
    const read = async (args: object) => (await stream.call("read_file", { path: "digits", ...args })).output;
    assert.equal(await read({ offset: 3 }), "3456789");
    assert.equal(await read({ offset: 3, limit: 4 }), "3456");
    assert.equal(await read({ limit: 2 }), "01");
    assert.equal(await read({ offset: 8, limit: 100 }), "89");
    assert.equal(await read({ offset: 10 }), "");
    assert.equal(await read({ offset: 1e15 }), "");
  });

  test("too large to read is refused, and a part of it is not", async () => {
    await stream.bash(`head -c ${FILE_BYTES_MAX + 1} /dev/zero | tr '\\0' x > big`);
    const error = `File too large: ${FILE_BYTES_MAX + 1} bytes (max ${FILE_BYTES_MAX})`;
    assertResult(await stream.call("read_file", { path: "big" }), refused(error));
    const part = await stream.call("read_file", { path: "big", limit: FILE_BYTES_MAX });
    assertResult(part, { ...OK, output: "x".repeat(FILE_BYTES_MAX) });
    assert.equal(part.metadata?.size, FILE_BYTES_MAX + 1);
  });

  test("too large to write is refused", async () => {
    const error = `Content too large: ${FILE_BYTES_MAX + 1} bytes (max ${FILE_BYTES_MAX})`;
    const content = "x".repeat(FILE_BYTES_MAX + 1);
    assertResult(await stream.call("write_file", { path: "f", content }), refused(error));
    const most = await stream.call("write_file", { path: "most", content: content.slice(1) });
    assertResult(most, OK);
  });

  test("what is not there, and what is no file", async () => {
    await stream.bash("mkdir -p folder; mkfifo fifo; touch plain");
    assertResult(await stream.call("read_file", { path: "nowhere" }), refused("File not found: nowhere"));
    assertResult(await stream.call("read_file", { path: "plain/below" }), refused("File not found: plain/below"));
    for (const path of ["folder", "fifo", ".", "folder/.."]) {
      for (const [tool, args] of [
        ["read_file", {}],
        ["write_file", { content: "x" }],
      ] as const) {
        assertResult(await stream.call(tool, { path, ...args }), refused(`Not a file: ${path}`));
      }
    }
  });

  test("links out of the workspace and paths out of it are denied, and nothing out there changes", async () => {
    await stream.bash("ln -s /etc/passwd link; ln -s / root; ln -s /etc etc; ln -s ../../x up");
    const outside = [
      "link",
      "root/etc/passwd",
      "etc/passwd",
      "/etc/passwd",
      "..",
      "../x",
      "a/../../x",
      "/",
      "/proc/self/environ",
    ];
    for (const path of outside) {
      assertResult(await stream.call("read_file", { path }), OUTSIDE);
      assertResult(await stream.call("write_file", { path, content: "x" }), OUTSIDE);
    }
    assertResult(await stream.call("write_file", { path: "root/tmp/made/x", content: "x" }), OUTSIDE);
    assert.equal((await stream.bash("ls -d /tmp/made")).exitCode, 2);
  });

  test("links within the workspace are followed", async () => {
    await stream.bash("mkdir -p real; echo -n old > real/file; ln -s real short; ln -s real/file linked");
    assertResult(await stream.call("read_file", { path: "short/file" }), { ...OK, output: "old" });
    assertResult(await stream.call("write_file", { path: "linked", content: "new" }), OK);
    assertResult(await stream.call("read_file", { path: "real/file" }), { ...OK, output: "new" });
  });

  test("arguments that are missing or of another type are named", async () => {
    const invalid = (error: string) => ({ status: CallStatus.CALL_STATUS_INVALID, error });
    assertResult(await stream.call("read_file", {}), invalid("Missing path"));
    assertResult(await stream.call("write_file", { path: "f" }), invalid("Missing content"));
    const error = 'Argument offset must be a whole number of bytes, 0 or more, not "1"';
    assertResult(await stream.call("read_file", { path: "f", offset: "1" }), invalid(error));
    assertResult(
      await stream.call("read_file", { path: "a\0b" }),
      invalid("Argument path must not contain a NUL character"),
    );
  });
});

describe("what stays", () => {
  test("files stay from call to call; the shell and its variables do not", async () => {
    await stream.bash("echo kept > kept; cd /; X=1; export X");
    const result = await stream.bash('cat kept; echo "[$X] $PWD" | sed "s#/.*workspace#W#"');
    assert.equal(result.output, "kept\n[] W");
  });

  test("a process in the background stays until the release, and holds no call up", async () => {
    const word = uniqueSleep();
    const own = await live.open({ trajectoryId: "background" });
    const started = await own.bash(`sleep ${word} & echo started`);
    assertResult(started, { ...OK, output: "started" });
    await own.bash("true");
    assert.equal(living(word).length, 1);
    assert.equal((await own.bash("jobs; pgrep -c sleep || ps")).exitCode, 0);
    own.send({ $case: "release", value: { resetWorkspace: true } });
    assert.equal((await own.first("released")).wiped, true);
    assert.equal(await own.ended, undefined);
    await livingAre(word, 0);
  });

  test("what a daemon prints later is read and dropped, and it lives on", async () => {
    const own = await live.open({ trajectoryId: "daemon" });
    const loop = "while :; do echo noise || exit; sleep 0.01; echo . >> alive; done";
    const started = await own.bash(`(${loop}) & echo started`);
    assert.match(started.output, /^started$/m);
    const count = async () => Number((await own.bash("wc -l < alive")).output);
    const before = await count();
    while ((await count()) < before + 5);
    await own.halfClose();
  });
});
