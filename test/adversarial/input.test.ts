// Arguments and output made to break what carries them: they work exactly, or are refused; the stream lives in any case.
import assert from "node:assert/strict";
import { CallStatus } from "../../src/gen/switchyard/v1/call.js";
import { type Attack, attack } from "../support/attack.js";

function everywhere(outcome: string): Attack["expected"] {
  return { namespace: outcome, uid: outcome, container: outcome, "container (runsc)": outcome };
}

attack({
  name: "a command of 131,072 bytes and one of 4 MiB",
  expected: everywhere("works"),
  run: async (arena) => {
    const stream = await arena.attacker;
    // The kernel takes no argument of 131,072 bytes, its final NUL included.
    for (const size of [131_070, 131_071, 131_072, 131_073, 4 * 1024 * 1024]) {
      const command = `echo $$ $# >/dev/null; echo end #${"x".repeat(size)}`.slice(0, size);
      const { output, error } = await stream.bash(command);
      if (output !== "end") return `${size}: ${error}`;
    }
    return "works";
  },
});

attack({
  name: "a NUL in a path and in a command",
  expected: everywhere("refused, or the command's own failure"),
  run: async (arena) => {
    const stream = await arena.attacker;
    await stream.bash("echo honest > file");
    for (const path of ["file\0", "fi\0le", "file\0.png", "\0"]) {
      const read = await stream.call("read_file", { path });
      const write = await stream.call("write_file", { path, content: "x" });
      if (read.success || write.success) return `${JSON.stringify(path)} was taken`;
    }
    const run = await stream.bash("echo a; exit 3\0; echo b");
    if (run.success) return "the command ran to its end";
    const { output } = await stream.call("read_file", { path: "file" });
    return output === "honest\n" ? "refused, or the command's own failure" : `the file is now ${output}`;
  },
});

attack({
  name: "a lone surrogate, and UTF-8 that is none",
  expected: everywhere("U+FFFD in their place"),
  run: async (arena) => {
    const said = await arena.hostile("echo '\ud800'; printf '\\xed\\xa0\\x80\\xff\\xc0\\xaf\\xf8'");
    assert.doesNotMatch(said, /\p{Surrogate}/u);
    return said === `\ufffd\n${"\ufffd".repeat(7)}` ? "U+FFFD in their place" : JSON.stringify(said);
  },
});

attack({
  name: "`__proto__` and `constructor` as arguments, in `env` and as file names",
  expected: everywhere("plain words"),
  run: async (arena) => {
    const env = Object.fromEntries([["__proto__", "a"]]);
    const stream = await arena.live.open({ trajectoryId: "proto", env: { constructor: "b", ...env } });
    const args = JSON.parse(
      '{"command": "env | grep -c ^constructor=b", "constructor": {"prototype": 1}, "toString": 0}',
    );
    const { output, metadata } = await stream.call("bash", args);
    await stream.call("write_file", { path: "__proto__/constructor", content: "polluted" });
    const { output: content } = await stream.call("read_file", { path: "__proto__/constructor" });
    assert.equal(Object.hasOwn(Object.prototype, "prototype") || "polluted" in {}, false);
    assert.deepEqual(metadata?.ignored_arguments, ["constructor", "toString"]);
    return output === "1" && content === "polluted" ? "plain words" : `${output} ${content}`;
  },
});

attack({
  name: "all 256 byte values, NUL, ANSI sequences and split UTF-8 as output",
  expected: everywhere("exact"),
  run: async (arena) => {
    const stream = await arena.attacker;
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
    const all = await stream.bash("python3 -c 'import os; os.write(1, bytes(range(256)))' | tee all");
    assert.equal(all.outputBytesTotal, 256n);
    // Trimmed, as every output is, of the white space at its ends.
    assert.equal(all.output, bytes.toString("utf8").trim());
    const file = await stream.call("read_file", { path: "all", encoding: "base64" });
    assert.equal(file.output, bytes.toString("base64"));
    const written = await stream.call("write_file", { path: "copy", content: file.output, encoding: "base64" });
    assert.equal(written.success, true, written.error);
    assert.equal(await arena.hostile("cmp all copy && echo same"), "same");
    const tricks = "\u001b[2J\u001b]0;title\u0007\u001b[31mred\u0000nul\u0008\r\u009b1m";
    const shown = await stream.bash(
      `printf '%b' '${[...Buffer.from(tricks)].map((byte) => `\\0${byte.toString(8)}`).join("")}end'`,
    );
    assert.equal(shown.output, `${tricks}end`);
    const split =
      "python3 -c 'import os, time\nfor byte in \"a\\u20ac\\U0001f600z\".encode(): os.write(1, bytes([byte])); time.sleep(0.02)'";
    return (await stream.bash(split)).output === "a€😀z" ? "exact" : "split characters are lost";
  },
});

attack({
  name: "file names with newlines, quotes, ANSI sequences and bytes that are no UTF-8",
  expected: everywhere("plain names"),
  run: async (arena) => {
    const stream = await arena.attacker;
    for (const path of ["new\nline", "'; touch pwned; '", '"$(touch pwned)"', "-rf", "\u001b[2J", "a".repeat(255)]) {
      const written = await stream.call("write_file", { path, content: path });
      const read = await stream.call("read_file", { path });
      if (!written.success || read.output !== path) return `${JSON.stringify(path)}: ${written.error} ${read.error}`;
    }
    await arena.hostile('python3 -c \'import os; os.mkdir(b"\\xff\\xfe"); open(b"\\xff\\xfe/\\xfd", "w")\'');
    assert.equal(await arena.hostile("[ -e pwned ] || echo none"), "none");
    const { status } = await stream.call("read_file", { path: "a".repeat(256) });
    return status === CallStatus.CALL_STATUS_TOOL_FAILED ? "plain names" : CallStatus[status];
  },
});
