// What bash_stateful must do at every isolation level and on both backends: one list, run by the integration and the
// docker suite on servers of their own.
import assert from "node:assert/strict";
import { CallStatus, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import type { LiveService } from "./live-service.js";
import { living, livingAre, uniqueSleep } from "./processes.js";
import type { TrajectoryClient } from "./trajectory-client.js";

const OK = CallStatus.CALL_STATUS_OK;
const NONZERO = CallStatus.CALL_STATUS_NONZERO_EXIT;
/** What `timeouts.max_s` is unless configured. */
const TIMEOUT_S_MAX = 600;

export class Session {
  private constructor(readonly stream: TrajectoryClient) {}

  static async open(live: LiveService, trajectoryId: string): Promise<Session> {
    return new Session(await live.open({ trajectoryId, env: { GREETING: "hello" } }));
  }

  run(command: string, timeoutS?: number, uniqId?: string): Promise<ToolResult> {
    const timeout = timeoutS === undefined ? {} : { timeout: { seconds: BigInt(timeoutS), nanos: 0 } };
    return this.stream.call("bash_stateful", { command }, { ...timeout, ...(uniqId && { uniqId }) });
  }

  /** What a command that ends well prints. */
  async says(command: string): Promise<string> {
    const { status, output, error } = await this.run(command);
    assert.equal(status, OK, `${command}: ${error}: ${output}`);
    return output;
  }
}

type Check = (session: Session) => Promise<void>;

export const STATEFUL_CHECKS: Readonly<Record<string, Check>> = {
  "directory, variables, functions, options, $? and descriptors stay": async (session) => {
    await session.run('cd /tmp; X="a b"; f() { echo "f $1"; }; shopt -s nullglob; set -f; umask 027; exec 7>~/seven');
    const asked =
      'echo "$PWD|$X|$GREETING"; f 1; shopt -q nullglob && echo on; echo $-; umask; echo kept >&7; cat ~/seven';
    const output = await session.says(asked);
    assert.match(output, /^\/tmp\|a b\|hello\nf 1\non\n\w*f\w*\n0027\nkept$/);
    await session.run("(exit 77)");
    assert.equal(await session.says("echo $?"), "77");
    // The other shells are not concerned.
    assert.equal((await session.stream.bash("echo $X.")).output, ".");
  },

  "metadata, exact channels and the contract of bash": async (session) => {
    const result = await session.run("echo out; echo err >&2; exit_code() { return 3; }; exit_code");
    assert.equal(result.output, "out\n\n[stderr]\nerr");
    assert.equal(result.error, "Exit code: 3");
    assert.equal(result.status, NONZERO);
    assert.equal(result.exitCode, 3);
    assert.equal(result.outputBytesTotal, 8n);
    const { isolation, sandboxed, network_isolated: network, ...rest } = result.metadata ?? {};
    assert.equal(sandboxed, isolation !== "none");
    assert.equal(typeof network, "boolean");
    assert.deepEqual(rest, { exit_code: 3, timeout: 30, stateful: true, shell: "kept" });
    const other = await session.stream.call("terminal_stateful", { command: "exit_code", allow_network: true });
    assert.equal(other.exitCode, 3);
    assert.deepEqual(other.metadata?.ignored_arguments, ["allow_network"]);
  },

  "heredocs, unclosed quotes, and what is no bash: a clear error, and the shell is as it was": async (session) => {
    assert.equal(await session.says("Y=1; cat <<'END'\nheredoc $Y\nEND"), "heredoc $Y");
    for (const broken of ["echo 'unclosed", 'echo "unclosed', "if true; then", "echo )", "done"]) {
      const result = await session.run(broken);
      assert.equal(result.status, NONZERO, broken);
      assert.match(result.output, /^\[stderr\]\nbash: .*line [12]: (syntax error|unexpected EOF)/, broken);
      assert.equal(await session.says("echo $Y"), "1");
    }
    assert.match((await session.run("cat <<END\nno end")).output, /^no end\n\n\[stderr\]\n.*delimited by end-of-file/);
    assert.equal(await session.says("echo $Y"), "1");
  },

  "output without newline, bytes that are no text, and 100,000 lines": async (session) => {
    assert.equal(await session.says("printf 'no newline'"), "no newline");
    const binary = await session.run("printf '\\x00\\xff\\xfe'; head -c 1000 /dev/urandom >&2");
    assert.equal(binary.outputBytesTotal, 1003n);
    const lines = await session.run("seq 1 100000");
    assert.equal(lines.outputBytesTotal, 588_895n);
    assert.equal(lines.truncated, true);
    assert.match(lines.output, /^1\n2\n[\s\S]*bytes missing[\s\S]*\n100000$/);
    assert.equal(await session.says("echo next"), "next");
  },

  "stdin is empty, and none of our descriptors is inherited": async (session) => {
    assert.equal(await session.says("cat; read x; echo end"), "end");
    assert.equal(await session.says("ls /proc/self/fd | wc -l"), "4");
    assert.equal(
      await session.says("set -x; echo quiet 2>/dev/null; { set +x; } 2>/dev/null"),
      "quiet\n\n[stderr]\n++ echo quiet",
    );
  },

  "exit, exec, set -e and a killed shell end it; the next call begins a new one and says so": async (session) => {
    const ends: readonly (readonly [string, CallStatus, number | undefined, string])[] = [
      ["exit 7", NONZERO, 7, ""],
      ["exec echo replaced", OK, 0, "replaced"],
      ["set -e; echo one; false; echo two", NONZERO, 1, "one"],
      ["trap 'echo at the end' EXIT; exit 4", NONZERO, 4, "at the end"],
      ["kill -9 $$", CallStatus.CALL_STATUS_SIGNALED, undefined, ""],
    ];
    for (const [command, status, exitCode, output] of ends) {
      await session.run("X=set; cd /tmp");
      const result = await session.run(command);
      assert.deepEqual([result.status, result.exitCode, result.output], [status, exitCode, output], command);
      assert.equal(result.metadata?.shell, "restarted", command);
      const next = await session.run('echo "[$X] $(basename "$PWD")"');
      assert.equal(next.output, "[] workspace", command);
      assert.equal(next.metadata?.restarted, true, command);
      assert.equal((await session.run("true")).metadata?.restarted, undefined, command);
    }
    await session.run("X=$$");
    // By another call, between two of its own.
    await session.stream.bash(`kill -9 ${await session.says("echo $X")}`);
    const next = await session.run("echo $X.");
    assert.deepEqual([next.output, next.metadata?.restarted], [".", true]);
  },

  "a timeout ends what the call started; the shell, its state and earlier jobs live on": async (session) => {
    const [early, late] = [uniqueSleep(), uniqueSleep()];
    await session.run(`X=kept; sleep ${early} & g() { sleep ${late}; touch unreached; }`);
    const forever = [
      `echo partial; sleep ${late}; touch unreached`,
      `while true; do sleep ${late}; done; touch unreached`,
      "while :; do :; done; touch unreached",
      "g; g; touch unreached",
      `x=$(sleep ${late}; echo y); touch unreached`,
      `sleep ${late} | sleep ${late} & wait; touch unreached`,
      `(setsid sleep ${late} &); env -i setsid -f sleep ${late}; trap '' TERM INT; sleep ${late}; touch unreached`,
    ];
    for (const command of forever) {
      const result = await session.run(command, 1);
      assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT, command);
      assert.equal(result.error, "Command timed out after 1s");
      assert.equal(result.metadata?.shell, "kept", command);
      assert.equal(living(late).length, 0, command);
    }
    assert.equal(living(early).length, 1);
    // Those that run: bash lists a killed one once more, if it has not told of its end yet.
    assert.equal(await session.says("ls unreached 2>/dev/null; jobs -r | wc -l; echo $X"), "1\nkept");
    assert.equal(await session.says("kill %1; wait %1 2>/dev/null; echo $?"), "143");
  },

  "a timeout that meets the shell between two processes leaves neither": async (session) => {
    const late = uniqueSleep();
    for (let round = 0; round < 14; round++) {
      // Most of its time the shell is at making a process.
      const pipeline = `sleep ${late} | sleep ${late} & for ((i = 0; i < 150; i++)); do :; done`;
      const result = await session.run(`while :; do ${pipeline}; done`, 1);
      assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT);
      assert.equal(await session.says("jobs -r | wc -l"), "0");
      assert.equal(living(late).length, 0);
    }
  },

  "on a busy machine too a job that a timeout killed is not taken to run on": async (session) => {
    await session.run("for ((i = 0; i < 6; i++)); do timeout 60 bash -c 'while :; do :; done' & done");
    const late = uniqueSleep();
    for (let round = 0; round < 10; round++) {
      const result = await session.run(`sleep ${late} | sleep ${late} & wait; touch unreached`, 1);
      assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT);
      assert.equal(await session.says("ls unreached 2>/dev/null; jobs -r | grep -c sleep || true"), "0");
    }
    await session.run("kill $(jobs -p)");
  },

  "a job that is hardly older than a call is not killed with it": async (session) => {
    for (let round = 0; round < 20; round++) {
      const [early, orphan, late] = [uniqueSleep(), uniqueSleep(), uniqueSleep()];
      await session.run(`sleep ${early} & setsid -f sleep ${orphan} > /dev/null 2>&1`);
      const uniqId = `late-${round}`;
      const running = session.run(`setsid -f sleep ${late}; sleep ${late}`, TIMEOUT_S_MAX, uniqId);
      await Promise.all([livingAre(late, 2), livingAre(early, 1), livingAre(orphan, 1)]);
      session.stream.send({ $case: "cancel", value: { uniqId } });
      assert.equal((await running).status, CallStatus.CALL_STATUS_CANCELLED);
      const left = [early, orphan, late].map((word) => living(word).length);
      assert.deepEqual(left, [1, 1, 0], `in round ${round}`);
    }
  },

  "a shell that cannot give up is killed, and its jobs live on": async (session) => {
    const early = uniqueSleep();
    await session.run(`sleep ${early} & mkfifo -m 600 pipe; X=gone`);
    const result = await session.run("read x < pipe", 1);
    assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT);
    assert.equal(result.metadata?.shell, "restarted");
    const next = await session.run('echo "[$X]"');
    assert.deepEqual([next.output, next.metadata?.restarted], ["[]", true]);
    assert.equal(living(early).length, 1);
  },

  "a cancel does the same as a timeout": async (session) => {
    const word = uniqueSleep();
    await session.run("X=kept");
    // However long the machine takes to come to the cancel.
    const running = session.run(`echo partial; sleep ${word}; touch unreached`, TIMEOUT_S_MAX, "long");
    await livingAre(word, 1);
    session.stream.send({ $case: "cancel", value: { uniqId: "long" } });
    const result = await running;
    assert.equal(result.status, CallStatus.CALL_STATUS_CANCELLED);
    assert.match(result.output, /^partial/);
    assert.equal(result.metadata?.shell, "kept");
    assert.equal(living(word).length, 0);
    assert.equal(await session.says("echo $X; ls unreached 2>/dev/null || true"), "kept");
  },
};
