// Every command that talks to a server, through pipes: what it prints, with --json and without, and its exit code.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type RunOptions, runCli, startCli, steady } from "../support/cli.js";
import { type LiveService, startLive } from "../support/live-service.js";
import { authOf, newToken } from "../support/tokens.js";

let live: LiveService;
const folder = mkdtempSync(join(tmpdir(), "switchyard-cli-"));
before(async () => {
  live = await startLive("process", {
    pools: { default: { slots_per_container: 4, max_containers: 1, isolation: "none" } },
  });
});
after(async () => {
  await live.close();
  rmSync(folder, { recursive: true });
});

function run(args: readonly string[], { env, ...options }: RunOptions = {}) {
  return runCli(args, { cwd: folder, env: { SWITCHYARD_CLIENT_SERVER: live.address, ...env }, ...options });
}

async function ok(args: readonly string[], options: RunOptions = {}) {
  const result = await run(args, options);
  assert.deepEqual([result.code, result.stderr], [0, ""], `${args.join(" ")}: ${result.stdout}`);
  return result;
}

async function json(args: readonly string[], options: RunOptions = {}): Promise<Record<string, unknown>> {
  return JSON.parse((await ok([...args, "--json"], options)).stdout);
}

test("a call prints what a model would read, and ends with the command's exit code", async () => {
  const failed = await run(["call", "bash", "echo out; echo err >&2; exit 42"]);
  assert.deepEqual([failed.code, failed.stdout, failed.stderr], [42, "out\n\n[stderr]\nerr\n", ""]);
  const { uniq_id, queue_ms, exec_ms, metadata, ...result } = await json(["call", "bash", "echo", "hi"]);
  assert.deepEqual(result, {
    ...{ success: true, status: "OK", fault: "NONE", output: "hi", error: "", exit_code: 0, output_bytes_total: 3 },
    ...{ truncated: false, slot_generation: 1, local: false },
  });
  assert.deepEqual(
    [typeof uniq_id, typeof queue_ms, typeof exec_ms, typeof metadata],
    ["string", "number", "number", "object"],
  );
  await live.statusIs(({ trajectories }) => trajectories === 0);
});

test("with --stream the output is exact, each channel where it belongs", async () => {
  const { code, bytes, stderr } = await run(["call", "--stream", "bash", "printf 'a\\n\\0\\377'; echo oops >&2"]);
  assert.deepEqual([code, [...bytes], stderr], [0, [97, 10, 0, 255], "oops\n"]);
});

test("a call that timed out, and a tool that is not there, say so", async () => {
  const late = await run(["call", "bash", "sleep 60", "--timeout", "1"]);
  assert.deepEqual([late.code, late.stderr], [124, "switchyard: TIMED_OUT: Command timed out after 1s\n"]);
  const none = await run(["call", "nope", "--args", "{}"]);
  assert.deepEqual([none.code, none.stderr], [64, "switchyard: UNKNOWN_TOOL: Unknown tool: nope\n"]);
});

test("a trajectory that is named keeps its files for the next call, and its token keeps others out", async () => {
  const named = ["--trajectory", "kept"];
  const env = { SWITCHYARD_CLIENT_RESUME_TOKEN: "secret" };
  await ok(["call", ...named, "write_file", "--args", '{"path": "a", "content": "kept\\n"}'], { env });
  assert.equal((await ok(["call", ...named, "read_file", "a"], { env })).stdout, "kept\n");
  const other = await run(["call", ...named, "read_file", "a"]);
  assert.equal(other.code, 77);
  assert.match(
    other.stderr,
    /^switchyard: trajectory kept belongs to another resume_token; give its --resume-token\n$/,
  );
});

test("without a tool it runs what a pipe says, one line after another, in one slot", async () => {
  const input = 'echo one > file\ncat file\n:tool read_file {"path": "file"}\n:frob\nexit 7\n';
  const { code, stdout, stderr } = await run(["call"], { input });
  assert.deepEqual([code, stdout], [7, "one\none\n"]);
  assert.match(stderr, /^switchyard: no such thing as :frob.*\nswitchyard: exit code 7\n$/);
});

test("tools, status and version", async () => {
  assert.match((await ok(["tools"])).stdout, /^TOOL .*\nbash +slot +command \[timeout\] +Runs a bash command/);
  const names = JSON.parse((await ok(["tools", "--json"])).stdout).map(({ name }: { name: string }) => name);
  assert(names.includes("bash") && names.includes("tmux"), names);
  const lines = steady((await ok(["status"])).stdout).split("\n");
  assert.equal(lines[0], "switchyard VERSION at ADDRESS, up TIME");
  assert.match(lines[1] ?? "", /^calls \d+ errors \d+ batch RATE calls queued 0$/);
  assert.equal(lines[5], "default process none 1 4 1 3 0");
  const { version, pools } = await json(["status"]);
  assert(Array.isArray(pools));
  assert.deepEqual(pools[0], {
    ...{ name: "default", backend: "process", isolation: "none", containers: 1 },
    ...{ slots_total: 4, slots_leased: 1, slots_ready: 3, waiting: 0 },
  });
  const alone = await runCli(["version", "--json"]);
  assert.deepEqual(JSON.parse(alone.stdout), { client: version });
  const { server_id } = await json(["status"]);
  assert.deepEqual(await json(["version"]), { client: version, server: { address: live.address, version, server_id } });
});

test("top prints one table where nobody sees a screen, and JSON lines", async () => {
  const { stdout } = await ok(["top", "--interval", "0.1"]);
  assert.match(
    steady(stdout),
    /^switchyard VERSION at ADDRESS, up TIME\ncalls RATE\/s \(\d+\)[\s\S]*\nTRAJECTORY POOL/,
  );
  const { rates, trajectories, trajectories_total } = await json(["top", "--once", "--interval", "0.1"]);
  assert.deepEqual(Object.keys(rates ?? {}), ["calls_per_s", "errors_per_s", "batch_size"]);
  assert(Array.isArray(trajectories) && trajectories.length === trajectories_total);
  const child = startCli(["top", "--json", "--interval", "0.1", "--server", live.address]);
  let text = "";
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.split("\n").length > 3) break; // Which closes the pipe, as head does.
  }
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
  const [first, second] = text.split("\n").map((line) => line && JSON.parse(line));
  assert.equal(first.rates, null);
  assert.equal(typeof second.rates.calls_per_s, "number");
});

test("artifacts go both ways, as files, folders and archives", async () => {
  const named = ["--trajectory", "files"];
  await ok([
    "call",
    ...named,
    "bash",
    "mkdir -p out/deep; echo 42 > out/answer; echo x > out/deep/x; chmod 750 out/answer; ln -s answer out/link",
  ]);
  const seed = join(folder, "seed");
  mkdirSync(join(seed, "empty"), { recursive: true });
  writeFileSync(join(seed, "big"), Buffer.alloc(3_000_000, 7), { mode: 0o640 });
  symlinkSync("big", join(seed, "link"));

  const listing = (await ok(["artifacts", "ls", ...named, "-r", "out"])).stdout
    .split("\n")
    .map((line) => line.split(/ +/).at(-1));
  assert.deepEqual(listing, ["PATH", "out/answer", "out/deep", "out/deep/x", "answer", ""]);
  const { entries } = await json(["artifacts", "ls", ...named, "out/deep"]);
  assert(Array.isArray(entries));
  assert.deepEqual([entries[0].path, entries[0].size, entries[0].type], ["out/deep/x", 2, "file"]);

  assert.equal((await ok(["artifacts", "get", ...named, "out/answer", "-"])).stdout, "42\n");
  assert.equal((await ok(["artifacts", "get", ...named, "out/answer"])).stdout, "answer: 3 B\n");
  assert.equal(lstatSync(join(folder, "answer")).mode & 0o777, 0o750);
  const got = await run(["artifacts", "get", ...named, "out", "results"]);
  assert.deepEqual([got.code, got.stdout], [0, "results: 2 files, 5 B\n"]);
  assert.equal(got.stderr, "switchyard: left out link: a link, and links are not made here\n");
  assert.deepEqual(readdirSync(join(folder, "results")).sort(), ["answer", "deep"]);
  assert.equal(readFileSync(join(folder, "results/deep/x"), "utf8"), "x\n");

  const put = await json(["artifacts", "put", ...named, "seed", "in"]);
  assert.deepEqual([put.entries, put.file_bytes, put.remote], [3, 3_000_000, "in"]);
  const seen = await ok(["call", ...named, "bash", "stat -c %a in/big; readlink in/link; ls -d in/empty"]);
  assert.equal(seen.stdout, "640\nbig\nin/empty\n");
  await ok(["artifacts", "put", ...named, "-", "piped", "--mode", "755"], { input: "from a pipe" });
  assert.equal((await ok(["call", ...named, "bash", "cat piped; stat -c %a piped"])).stdout, "from a pipe755\n");

  const { bytes } = await ok(["artifacts", "archive", ...named, "in", "-"]);
  assert.match(execFileSync("tar", ["-tz"], { input: bytes, encoding: "utf8" }), /^big$/m);
  const archived = await json(["artifacts", "archive", ...named, "in"]);
  assert.deepEqual([archived.entries, archived.file_bytes, archived.local], [3, 3_000_000, join(folder, "in.tar.gz")]);
});

test("an artifact that cannot be had leaves no file, and says why", async () => {
  const named = ["--trajectory", "files"];
  for (const [args, code, text] of [
    [["artifacts", "get", ...named, "nowhere"], 1, /File not found: nowhere/],
    [["artifacts", "get", ...named, "../../etc/passwd"], 77, /outside workspace/],
    [["artifacts", "ls", "--trajectory", "nobody"], 1, /no trajectory nobody/],
    [["artifacts", "put", ...named, "not-here"], 74, /ENOENT/],
    [["artifacts", "put", ...named, "-"], 64, /needs a REMOTE name/],
    [["artifacts", "get", ...named, "out", "-"], 64, /is a folder/],
    [["artifacts", "get", ...named, "out/answer", "-", "--json"], 64, /cannot be told apart/],
    [["artifacts", "get", ...named, "out/answer", "no/such/folder"], 74, /ENOENT/],
  ] as const) {
    const { code: got, stdout, stderr } = await run(args);
    assert.deepEqual([got, stdout], [code, ""], `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, text);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  }
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith(".part") || name === "nowhere"),
    [],
  );
});

test("mistakes are told in one line, with an exit code of their own", async () => {
  for (const [args, code, text, env = {}] of [
    [
      ["call", "bash", "x", "--server", "127.0.0.1:9"],
      69,
      /no server answers at 127\.0\.0\.1:9 \(connect ECONNREFUSED.*switchyard serve.*--server/,
    ],
    [["tools", "--server", "127.0.0.1:9"], 69, /no server answers/],
    [["top", "--once", "--server", "127.0.0.1:9"], 69, /no server answers/],
    [["call", "tmux", "start"], 64, /takes no text/],
    [["call", "bash", "--args", "{"], 64, /no JSON/],
    [["call", "--json"], 64, /need a TOOL/],
    [["call", "bash", "x", "--pool", "other"], 64, /no pool is named other/],
    [["status", "--token-file", "no-such-file"], 64, /cannot read --token-file: ENOENT/],
    [
      ["status", "--server", "203.0.113.1:50051"],
      64,
      /plain text; add --ca FILE or --tls/,
      { SWITCHYARD_CLIENT_TOKEN: "t" },
    ],
    [["status", "--tls"], 69, /it seems to speak no TLS/],
  ] as const) {
    const { code: got, stdout, stderr } = await run(args, { env });
    assert.deepEqual([got, stdout], [code, ""], `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, text);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  }
  const unknown = await run(["top", "--intervall", "3"]);
  assert.deepEqual([unknown.code, unknown.stdout], [64, ""]);
  assert.match(unknown.stderr, /unknown option '--intervall'\n\(Did you mean --interval\?\)/);
  assert.match((await run(["top", "--interval", "0"])).stderr, /from 0\.1 to 60/);
});

test("a server that asks for a token gets it from a file or the environment", async (t) => {
  const token = newToken("me");
  const guarded = await startLive("process", { pools: { default: { slots_per_container: 1 } }, ...authOf(token) });
  t.after(() => guarded.close());
  const server = ["--server", guarded.address];
  const refused = await run(["status", ...server]);
  assert.deepEqual([refused.code, refused.stdout], [77, ""]);
  assert.match(refused.stderr, /^switchyard: .*--token-file or SWITCHYARD_CLIENT_TOKEN\n$/);
  writeFileSync(join(folder, "token"), `${token.text}\n`);
  await ok(["status", ...server, "--token-file", "token"]);
  await ok(["call", ...server, "bash", "true"], { env: { SWITCHYARD_CLIENT_TOKEN: token.text } });
});

test("every command has help with examples", async () => {
  for (const args of [
    ["call"],
    ["top"],
    ["tools"],
    ["status"],
    ["version"],
    ["completion"],
    ["artifacts"],
    ["artifacts", "get"],
  ]) {
    const { stdout } = await ok([...args, "--help"]);
    assert.match(stdout, new RegExp(`^Usage: switchyard ${args.join(" ")}`));
    assert.match(stdout, /\nExamples:\n {2}\S/);
  }
});

test("bash completes commands, options and their values", async () => {
  const { stdout } = await ok(["completion", "bash"]);
  const complete = (...words: string[]) => {
    const script = `${stdout}
COMP_WORDS=(switchyard ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}
_switchyard; printf '%s\\n' "\${COMPREPLY[@]}"
complete -p switchyard`;
    const lines = execFileSync("bash", ["--norc"], { input: script, encoding: "utf8" }).trim().split("\n");
    assert.equal(lines.pop(), "complete -o bashdefault -o default -F _switchyard switchyard");
    return lines.filter(Boolean);
  };
  assert.deepEqual([complete("cal"), complete("compl")], [["call"], ["completion"]]);
  assert.deepEqual(complete("artifacts", ""), ["ls", "get", "put", "archive"]);
  assert.deepEqual(complete("artifacts", "get", "--tr"), ["--trajectory"]);
  assert.deepEqual(complete("call", "--server", "h:1", "--str"), ["--stream"]);
  assert.deepEqual(complete("completion", "f"), ["fish"]);
  assert.deepEqual(complete("top", "--interval", ""), [], "left to the shell");
});

test("zsh and fish take their scripts, and complete commands", async () => {
  const zsh = (await ok(["completion", "zsh"])).stdout;
  // Its array is seen by who it calls.
  const stubs = "compdef() { :; }; _files() { :; }; _describe() { print -l -- $offered }";
  const words = "words=(switchyard artifacts g); CURRENT=3; PREFIX=g; _switchyard";
  const offered = execFileSync("zsh", ["-f"], { input: `${stubs}\n${zsh}\n${words}\n`, encoding: "utf8" });
  assert.match(offered, /^get:Fetch a file or a folder; - is stdout$/m);
  const fish = (await ok(["completion", "fish"])).stdout;
  const script = `${fish}\ncomplete -C 'switchyard artifacts g'\ncomplete -C 'switchyard call --tim'\n`;
  const env = { ...process.env, HOME: folder };
  const found = execFileSync("fish", ["--no-config", "-c", script], { encoding: "utf8", env });
  assert.match(found, /^get\tFetch/m);
  assert.match(found, /^--timeout\t/m);
});
