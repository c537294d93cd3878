// What the `tmux` tool must do at every isolation level and on both backends: one list, run by the integration and the
// docker suite on servers of their own.
import assert from "node:assert/strict";
import { CallStatus, Fault } from "../../src/gen/switchyard/v1/call.js";
import { heard, outputsOf } from "./output-frames.js";
import { living, livingAre, uniqueSleep } from "./processes.js";
import { parseRecording, screenAfter, type Terminal } from "./terminal.js";

const ENDED = "The tmux session has ended: use action start to begin a new one";
const seconds = (count: number) => ({ timeout: { seconds: BigInt(count), nanos: 0 } });

type Check = (terminal: Terminal) => Promise<void>;

export const TMUX_CHECKS: Readonly<Record<string, Check>> = {
  "texts and metadata of the contract": async (terminal) => {
    for (const action of ["send_keys", "capture", "stream", "stop"]) {
      const result = await terminal.tmux(action, { keys: "x" });
      assert.equal(result.status, CallStatus.CALL_STATUS_TOOL_FAILED);
      assert.equal(result.error, "No tmux session: use action start first");
    }
    const started = await terminal.does("start", { allow_network: true });
    assert.equal(started.output, "started");
    const { isolation, sandboxed, network_isolated: network, ...rest } = started.metadata ?? {};
    assert.deepEqual([sandboxed, typeof network], [isolation !== "none", "boolean"]);
    const recording = ".tmux-1.asciinema.cast";
    assert.deepEqual(rest, {
      ...{ stateful: true, timeout: 30, pane_width: 120, pane_height: 40, session: "switchyard", recording },
      ignored_arguments: ["allow_network"],
    });
    const sent = await terminal.does("send_keys", { keys: ["echo $GREETING $COLUMNS $LINES", "Enter"], block: true });
    assert.deepEqual([sent.output, sent.metadata?.blocked, sent.metadata?.done], ["ok", true, true]);
    const typed = await terminal.does("send_keys", { keys: "x" });
    assert.deepEqual([typed.output, typed.metadata?.blocked, typed.metadata?.done], ["ok", false, undefined]);
    assert.match(await terminal.screenIs(/x\n/), /^~[$#] echo \$GREETING.*\nhello 120 40\n~[$#] x\n{38}$/);
    const streamed = await terminal.does("stream");
    assert.equal(streamed.metadata?.recording, recording);
    assert.equal(streamed.metadata?.offset, Buffer.byteLength(streamed.output));
    const stopped = await terminal.does("stop");
    assert.deepEqual([stopped.output, stopped.metadata?.stateful], ["stopped", true]);
    const late = await terminal.tmux("capture");
    assert.deepEqual([late.error, late.fault], [ENDED, Fault.FAULT_POLICY]);
  },

  "a second start keeps the session and says so; with reset it begins anew": async (terminal) => {
    await terminal.start(100, 30);
    await terminal.runs("X=kept");
    const again = await terminal.does("start", { pane_width: 50 });
    assert.deepEqual([again.output, again.metadata?.kept, again.metadata?.pane_width], ["started", true, 100]);
    await terminal.runs("echo $X.");
    assert.match(await terminal.screen(), /\nkept\.\n/);
    const anew = await terminal.does("start", { pane_width: 7, pane_height: 1e9, reset: true });
    assert.deepEqual(
      [anew.metadata?.kept, anew.metadata?.pane_width, anew.metadata?.pane_height],
      [undefined, 20, 200],
    );
    assert.equal(anew.metadata?.recording, ".tmux-2.asciinema.cast");
    await terminal.runs("echo $X.");
    assert.match(await terminal.screen(), /\n\.\n/);
  },

  "block waits for all commands of a send, and for nothing where none runs": async (terminal) => {
    await terminal.start();
    await terminal.does("send_keys", { keys: "sleep 0.2; touch a\nsleep 0.2\ntouch b\n", block: true });
    assert.equal((await terminal.stream.bash("ls")).output, "a\nb");
    // An unfinished one waits for more: there is nothing to wait for.
    for (const keys of ["ls no-enter", "C-c", ["cat <<EOF", "Enter"], ["text", "Enter", "EOF", "Enter"]]) {
      const { metadata } = await terminal.does("send_keys", { keys, block: true, max_wait_s: 20 });
      assert.equal(metadata?.done, true, String(keys));
    }
    await terminal.screenIs(/\n> EOF\ntext\n/);
    await terminal.type("PROMPT_COMMAND=; trap 'echo no' DEBUG; sleep 0.3; trap - DEBUG", "Enter");
    await terminal.runs("echo $((40 + 2))");
    assert.match(await terminal.screen(), /\n42\n/);
  },

  "max_wait_s ends a wait, C-c ends what ran; min_wait_s is waited for": async (terminal) => {
    await terminal.start();
    const word = uniqueSleep();
    const waited = await terminal.does("send_keys", { keys: [`sleep ${word}`, "Enter"], block: true, max_wait_s: 0.5 });
    assert.deepEqual([waited.metadata?.blocked, waited.metadata?.done], [true, false]);
    assert.equal(living(word).length, 1);
    const ended = await terminal.does("send_keys", { keys: "C-c", block: true });
    assert.equal(ended.metadata?.done, true);
    assert.equal(living(word).length, 0);
    const begin = performance.now();
    await terminal.does("send_keys", { keys: "x", min_wait_s: 0.4 });
    assert(performance.now() - begin >= 400);
  },

  "keys arrive as they are": async (terminal) => {
    await terminal.start(200, 24);
    await terminal.type("cat > typed", "Enter");
    const odd = ["-l", ";", "a;", "\\;", "'\"$(x)", "ü 漢😀", "Enter", "Space", "#{pid}", "Enter"];
    await terminal.does("send_keys", { keys: odd });
    // Lines, as a terminal takes no line of more than 4,096 bytes.
    const long = "漢字 and more\n".repeat(1500);
    await terminal.does("send_keys", { keys: long });
    await terminal.does("send_keys", { keys: "C-d", block: true });
    const { output } = await terminal.stream.bash(
      "head -n 2 typed; sha256sum < typed; printf '%s' \"$(wc -l < typed)\"",
    );
    assert.match(output, /^-l;a;\\;'"\$\(x\)ü 漢😀\n #\{pid\}\n/);
    assert.match(output, /\n1502$/);
  },
};

export const RECORDING_CHECKS: Readonly<Record<string, Check>> = {
  "the recording is asciicast v2, and what it shows in the end is the screen": async (terminal) => {
    await terminal.start(90, 20);
    await terminal.runs(
      "printf '\\033[31mred\\033[0m \\xff\\xfe|\\xe6\\xbc|漢字😀\\n'; seq 30; printf '\\033[5;10Hhere\\n'",
    );
    await terminal.type("echo the en", "d");
    const screen = await terminal.screenIs(/the end\n/);
    const recording = parseRecording(await terminal.recorded(/the en[^\n]*d"\]\n$|\["?[^\n]*"d"\]\n$/));
    assert.deepEqual([recording.width, recording.height], [90, 20]);
    assert.match(recording.printed, /red.\[0m \ufffd\ufffd\|\ufffd+\|漢字😀/);
    assert.equal(await screenAfter(recording), screen);
  },

  "stream goes on where it ended, in whole lines, within max_bytes": async (terminal) => {
    await terminal.start();
    await terminal.runs("for i in 1 2 3 4 5 6; do echo line $i; sleep 0.05; done");
    const whole = await terminal.recorded(/line 6/);
    let text = "";
    for (let reset = true; text.length < whole.length; reset = false) {
      const { output, metadata } = await terminal.does("stream", { max_bytes: 200, reset });
      assert(output.endsWith("\n") && output.length <= 200);
      text += output;
      assert.equal(metadata?.offset, text.length);
    }
    assert.equal(text.slice(0, whole.length), whole);
    // A line at least.
    assert.match((await terminal.does("stream", { max_bytes: 1, reset: true })).output, /^\{[^\n]*\}\n$/);
  },

  "what was scrolled out of sight is in capture_entire": async (terminal) => {
    await terminal.start();
    await terminal.runs("seq 100 300");
    assert.doesNotMatch(await terminal.screen(), /\n150\n/);
    const { output } = await terminal.does("capture", { capture_entire: true });
    assert.match(output, /^~[$#] seq 100 300\n100\n101\n[\s\S]*\n299\n300\n~[$#]\n/);
    await terminal.runs("seq 100000");
    const bounded = await terminal.does("capture", { capture_entire: true });
    assert(bounded.outputBytesTotal < 40_000n);
  },

  "with stream_output the recording's growth comes live": async (terminal) => {
    await terminal.start();
    await terminal.runs("true");
    const { metadata } = await terminal.does("stream", { reset: true });
    const keys = ["for i in 1 2 3; do echo live $i; sleep 0.3; done", "Enter"];
    await terminal.does("send_keys", { keys, block: true }, { uniqId: "live", streamOutput: true });
    const { text, missing, frames } = heard(outputsOf(terminal.stream.frames, "live"));
    const since = (await terminal.does("stream")).output;
    assert.equal(metadata?.recording, ".tmux-1.asciinema.cast");
    assert.equal(missing, 0);
    assert(frames >= 3, `${frames} frames`);
    assert(text.length > 0 && since.includes(text), `${text}\n--\n${since}`);
    assert.match(text, /live 1[\s\S]*live 2[\s\S]*live 3/);
  },
};

export const KILL_CHECKS: Readonly<Record<string, Check>> = {
  "a timeout or a cancel ends the wait, and neither the session nor what runs in it": async (terminal) => {
    await terminal.start();
    const word = uniqueSleep();
    const keys = [`sleep ${word}`, "Enter"];
    const late = await terminal.tmux("send_keys", { keys, block: true, max_wait_s: 60 }, seconds(1));
    assert.equal(late.status, CallStatus.CALL_STATUS_TIMED_OUT);
    assert.deepEqual([late.error, late.metadata?.blocked], ["Tmux action timed out after 1s", true]);
    assert.equal(living(word).length, 1);
    const other = uniqueSleep();
    const running = terminal.tmux(
      "send_keys",
      { keys: ["C-c", `sleep ${other}`, "Enter"], block: true },
      { uniqId: "x" },
    );
    await livingAre(other, 1);
    terminal.stream.send({ $case: "cancel", value: { uniqId: "x" } });
    const cancelled = await running;
    assert.equal(cancelled.status, CallStatus.CALL_STATUS_CANCELLED);
    assert.equal(living(other).length, 1);
    await terminal.does("send_keys", { keys: "C-c", block: true });
    await terminal.runs("echo still here");
    assert.match(await terminal.screen(), /\nstill here\n/);
  },

  "nobody else's timeout reaches what the pane started, daemons included": async (terminal) => {
    await terminal.start();
    const [before, during, own] = [uniqueSleep(), uniqueSleep(), uniqueSleep()];
    await terminal.runs(`(setsid sleep ${before} &); sleep ${before} & mkfifo go`);
    await terminal.type(`read < go; (setsid sleep ${during} &); sleep ${during}`, "Enter");
    const result = await terminal.stream.bash(`echo > go; (setsid sleep ${own} &); sleep ${own}`, seconds(2));
    assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT);
    assert.deepEqual(
      [before, during, own].map((word) => living(word).length),
      [2, 2, 0],
    );
    assert.match(await terminal.screen(), /sleep/);
  },

  "a tmux server that lies about its pane costs nobody but its session": async (terminal) => {
    await terminal.does("start");
    const alias = "'display-message=show-options -gqv @size ; set-option -q'";
    const lie = `tmux set -g @size '99999 99999'; tmux set -s 'command-alias[9]' ${alias}`;
    await terminal.does("send_keys", { keys: [lie, "Enter"], block: true });
    const { metadata } = await terminal.does("start");
    assert.deepEqual([metadata?.kept, metadata?.pane_width, metadata?.pane_height], [true, 10_000, 10_000]);
    assert.equal((await terminal.does("start", { reset: true })).metadata?.pane_width, 120);
  },

  "a session that the pane ended is said to have ended, and can be begun anew": async (terminal) => {
    for (const end of ["exit", "tmux kill-server", "kill -9 $PPID"]) {
      await terminal.does("start");
      // Maybe before tmux has answered for the keys.
      const sent = await terminal.does("send_keys", { keys: [end, "Enter"], block: true });
      assert.equal(sent.metadata?.done, true, end);
      const result = await terminal.tmux("capture");
      assert.deepEqual([result.status, result.error], [CallStatus.CALL_STATUS_TOOL_FAILED, ENDED], end);
      // Its recording is there all the same.
      assert.match((await terminal.does("stream", { reset: true })).output, /^\{/);
    }
    assert.equal((await terminal.does("start")).metadata?.recording, ".tmux-4.asciinema.cast");
  },
};

/** For slots that have vim, less and top. */
export const FULL_SCREEN_CHECKS: Readonly<Record<string, Check>> = {
  "vim edits a file: read_file shows it, and the recording ends in the screen": async (terminal) => {
    await terminal.start(100, 30);
    const opened = await terminal.does("send_keys", { keys: ["vim poem.txt", "Enter"], block: true, max_wait_s: 0.5 });
    assert.equal(opened.metadata?.done, false);
    await terminal.screenIs(/\n~ +\n|\n~\n/);
    await terminal.type(
      "i",
      "Roses are rod",
      "Enter",
      'Violets are blue; "so" they say',
      "Escape",
      "k",
      "$",
      "h",
      "re",
      ":w",
      "Enter",
    );
    const screen = await terminal.screenIs(/^Roses are red\nViolets are blue; "so" they say\n~[\s\S]* written/);
    const recording = parseRecording(await terminal.recorded(/ written/));
    assert.equal(await screenAfter(recording), screen);
    await terminal.does("send_keys", { keys: [":q", "Enter"], block: true });
    const read = await terminal.stream.call("read_file", { path: "poem.txt" });
    assert.equal(read.output, 'Roses are red\nViolets are blue; "so" they say\n');
    const cast = await terminal.stream.call("read_file", { path: ".tmux-1.asciinema.cast" });
    assert.match(cast.output, /^\{"version": 2, "width": 100, "height": 30, /);
  },

  "less and top run as at a terminal": async (terminal) => {
    await terminal.start();
    await terminal.type("seq 1000 | less", "Enter");
    await terminal.screenIs(/^1\n2\n[\s\S]*\n:\n$/);
    await terminal.type("G");
    await terminal.screenIs(/\n999\n1000\n\(END\)\n$/);
    await terminal.does("send_keys", { keys: "q", block: true });
    await terminal.type("top", "Enter");
    await terminal.screenIs(/^top - [\s\S]*PID [\s\S]*COMMAND/);
    await terminal.does("send_keys", { keys: "q", block: true });
  },
};
