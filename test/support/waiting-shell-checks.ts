// What must hold of a slot's shell that is started before its command is known: nobody can tell. One list for the integration
// and the docker suite. A slot starts one where its last two commands were by `bash`; after a file operation it starts none.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { SwitchyardClient } from "../../src/client/index.js";
import { CallStatus, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import type { LiveService } from "./live-service.js";
import { heard, outputsOf } from "./output-frames.js";
import { living, livingAre, uniqueSleep } from "./processes.js";
import type { TrajectoryClient } from "./trajectory-client.js";

/** A trajectory whose environment has a word that no other has, so that its shell is found among the machine's processes. */
export class WaitingSession {
  private constructor(
    readonly stream: TrajectoryClient,
    private readonly word: string,
  ) {}

  static async open(
    live: LiveService,
    trajectoryId: string,
    env: Record<string, string> = {},
    resumeToken = "",
  ): Promise<WaitingSession> {
    const word = uniqueSleep();
    return new WaitingSession(await live.open({ trajectoryId, resumeToken, env: { WORD: word, ...env } }), word);
  }

  bash(command: string, timeoutS?: number): Promise<ToolResult> {
    const timeout = timeoutS === undefined ? {} : { timeout: { seconds: BigInt(timeoutS), nanos: 0 } };
    return this.stream.call("bash", { command }, timeout);
  }

  /** In a process that is made for it. */
  async fresh(command: string): Promise<ToolResult> {
    await this.stream.call("write_file", { path: "between", content: "" });
    return this.bash(command);
  }

  /** In the shell that waits. */
  async awaited(command: string): Promise<ToolResult> {
    await this.shell();
    return this.bash(command);
  }

  /** The pid, in its own pid namespace, of the shell that waits. */
  async shell(): Promise<string> {
    // Until the bound on unacknowledged calls.
    for (;;) {
      const found = waiting(this.word);
      if (found !== undefined) return found;
      assert.equal((await this.bash("true")).status, CallStatus.CALL_STATUS_OK);
      for (let looks = 0; looks < 4 && waiting(this.word) === undefined; looks++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  hasShell(): boolean {
    return waiting(this.word) !== undefined;
  }

  /** Resolves when another waits in the place of that one. */
  async shellAfter(pid: string): Promise<void> {
    for (let now = waiting(this.word); !now || now === pid; now = waiting(this.word)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function waiting(word: string): string | undefined {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!/^bash\0-c\0 {4000}/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"))) continue;
      if (!readFileSync(`/proc/${pid}/environ`, "latin1").includes(`WORD=${word}`)) continue;
      return /^NSpid:.*\s(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined;
}

/** Of which a shell's own start is a part of the answer. */
const PROBES: readonly string[] = [
  'echo "$0 $# $- $_ $LINENO $SHLVL $? $! [$*]"',
  'echo "$BASH_EXECUTION_STRING" "$BASH_COMMAND" "$BASH_SUBSHELL" "$BASH"',
  `echo "[$BASH_ENV] \${!BASH*} [$BASH_SOURCE] [$FUNCNAME] [\${BASH_LINENO[*]}]"; caller`,
  "env | sort; echo; export -p",
  'echo "it\'s $HOME"; echo \'a\\b\'; printf "%s\\n" "é \\$x `echo t`"',
  "for i in 1 2; do\n  echo $i\ndone\ncat <<E\n$((1 + 1))\nE",
  "if",
  "echo )",
  'echo "unclosed',
  "nothing-of-the-kind",
  "cd /nowhere",
  "echo one\nfalse |\n  no-such-command\necho $?",
  "return 3; echo here",
  "exit 7",
  "kill -9 $$",
  "kill -TERM $$",
  "exec sh -c 'exit 9'",
  "exec nothing-of-the-kind",
  "trap 'echo bye' EXIT; false",
  "set -e; false; echo no",
  "set -u; echo $nope; echo after",
  "set -x; f() { echo $1; }; f 'a b'",
  "set -v; echo a\necho b",
  "set",
  "set | grep -c .; set > listing; wc -l < listing",
  "declare -p | grep -v 'RANDOM\\|EPOCH\\|PPID\\|BASHPID'",
  `echo "[\${PIPESTATUS[*]}]"; true | false; echo "\${PIPESTATUS[*]}"`,
  "echo $((SECONDS < 9)); sleep 1.1; echo $((SECONDS > 0))",
  "shopt; set -o; hash; alias; jobs; declare -F; umask; ulimit -a; pwd; dirs; compgen -v | grep -v PIPESTATUS",
  "history; fc -l; echo $HISTCMD",
  // In other words, for which the shell that waits is not given up.
  'p=/pro; ls "$p"c/$$/fd',
  "ls /proc/self/fd; ls /proc/$$/fd; tr '\\0' '|' < /proc/$$/cmdline; tr '\\0' '|' < /proc/$$/environ",
  "ps -ww -o args= -p $$; ps -ww -o stat=,nlwp= -p $$; cat /proc/$$/comm",
  'read x; echo "[$x]"; cat',
  "echo out; echo err >&2; exec 3>&1; echo three >&3; exec 1>&2; echo late",
  "coproc cat; echo $COPROC_PID | grep -c .; sleep 0.1 & wait $!; echo $?",
  "(echo $BASH_SUBSHELL); echo $(echo $BASH_SUBSHELL)",
  "bash -c 'echo $0 $SHLVL [$BASH_ENV] $-'",
  "printf 'no newline'",
  "",
  "   ",
  "# nothing",
  "true;",
  `echo ${"x".repeat(4075)}`,
  `echo ${"'y'".repeat(1300)}`,
  `echo ${"z".repeat(4091)}`,
  `echo ${"w".repeat(9000)} | wc -c`,
];

type Check = (live: LiveService, name: string) => Promise<void>;

export const WAITING_SHELL_CHECKS: Readonly<Record<string, Check>> = {
  "a shell waits after two commands, and is the one that runs the next; not after a file operation": async (
    live,
    name,
  ) => {
    const session = await WaitingSession.open(live, name);
    await session.fresh("true");
    assert.equal(session.hasShell(), false);
    const pid = await session.shell();
    assert.equal((await session.bash("echo $$")).output, pid);
    await session.stream.call("write_file", { path: "file", content: "written" });
    assert.equal((await session.stream.call("read_file", { path: "file" })).output, "written");
    assert.equal((await session.bash("echo $$; cat file")).output.endsWith("written"), true);
    assert.equal(session.hasShell(), false);
    await session.stream.halfClose();
  },

  "what a command can see of its shell is as in one that was made for it": async (live, name) => {
    const session = await WaitingSession.open(live, name, { GREETING: "hello world" });
    for (const probe of PROBES) {
      const told = ({ status, exitCode, error, output, outputBytesTotal, truncated }: ToolResult) => ({
        ...{ status, exitCode, error, truncated },
        outputBytesTotal,
        output: output.replaceAll(/(PPID|BASHPID|RANDOM|EPOCH\w*|BASH_MONOSECONDS)=\S*/g, "$1"),
      });
      const [fresh, awaited] = [await session.fresh(probe), await session.awaited(probe)];
      assert.deepEqual(told(awaited), told(fresh), probe.slice(0, 200));
    }
    await session.stream.halfClose();
  },

  "a shell that is killed, robbed of its FIFO or given another in its place costs no command": async (live, name) => {
    const session = await WaitingSession.open(live, name);
    const killed = uniqueSleep();
    await session.shell();
    // It runs this command itself, and the background job kills the next.
    await session.bash(
      `(until pkill -9 -f '^bash -c  {9}'; do sleep 0.01; done; exec sleep ${killed}) > /dev/null 2>&1 &`,
    );
    await livingAre(killed, 1);
    for (let calls = 0; calls < 5; calls++) assert.equal((await session.bash("echo here")).output, "here");
    await session.shell();
    await session.stream.halfClose();
    const wrongs = [
      "rm $f/waiting",
      "rm $f/waiting; echo 'echo nobody asked' > $f/waiting",
      "mkdir $f/2; mv $f/waiting $f/2/",
    ];
    for (const [index, wrong] of wrongs.entries()) {
      const other = await WaitingSession.open(live, `${name}-${index}`);
      const done = await other.awaited(`f=$(readlink /proc/$$/fd/1); f=\${f%/*}; ls $f; ${wrong}`);
      assert.match(done.output, /^waiting$/m);
      // The next may come to a shell that has lost its way: another child runs it, and what the wrong file said stays said.
      assert.match((await other.bash("echo here")).output, /^(nobody asked\n)?here$/);
      for (let calls = 0; calls < 6; calls++) assert.equal((await other.bash("echo here")).output, "here");
      await other.stream.halfClose();
    }
  },

  "a command that gets a child of its own in the shell's place loses nothing of its output": async (live, name) => {
    const session = await WaitingSession.open(live, name);
    for (let round = 0; round < 200; round++) {
      // One comes right after the other, while the shell is just coming to its FIFO.
      const before = session.bash("true");
      const uniqId = `round-${round}`;
      const command = "declare -i seen=1; echo here; echo there >&2";
      const result = await session.stream.call("bash", { command }, { uniqId, streamOutput: true });
      await before;
      const outputs = outputsOf(session.stream.frames, uniqId);
      assert.deepEqual(
        [result.output, heard(outputs).text, heard(outputs, "stderr").text],
        ["here\n\n[stderr]\nthere", "here\n", "there\n"],
      );
    }
    await session.stream.halfClose();
  },

  "what follows the request of another tool reaches that tool: a lasting shell's script, an upload": async (
    live,
    name,
  ) => {
    const client = new SwitchyardClient(live.address);
    // On a busy machine the launcher sees both at once.
    const busy = await WaitingSession.open(live, name);
    await busy.bash("for ((i = 0; i < 6; i++)); do timeout 60 bash -c 'while :; do :; done' > /dev/null 2>&1 & done");
    for (let round = 0; round < 10; round++) {
      const key = { trajectoryId: `${name}-${round}`, resumeToken: "secret" };
      const session = await WaitingSession.open(live, key.trajectoryId, {}, key.resumeToken);
      const workspace = (await session.awaited("pwd")).output;
      await session.shell();
      const lasting = (command: string, s: number) =>
        session.stream.call("bash_stateful", { command }, { timeout: { seconds: BigInt(s), nanos: 0 } });
      assert.equal((await lasting("pwd; X=kept", 30)).output, workspace);
      if (round === 0) {
        assert.equal((await lasting("sleep 60", 1)).metadata?.shell, "kept");
        assert.equal((await lasting("echo $X", 30)).output, "kept");
      }
      await session.shell();
      await client.writeArtifact(key, "uploaded", Buffer.from(`round ${round}`));
      assert.equal((await session.bash("cat uploaded")).output, `round ${round}`);
      await session.stream.halfClose();
    }
    await busy.stream.halfClose();
    client.close();
  },

  "an environment that changes how a shell starts is heeded by each": async (live, name) => {
    const session = await WaitingSession.open(live, name, { BASH_ENV: "/proc/self/cwd/rc" });
    await session.stream.call("write_file", { path: "rc", content: "echo from rc" });
    for (let calls = 0; calls < 4; calls++) assert.equal((await session.bash("echo here")).output, "from rc\nhere");
    assert.equal(session.hasShell(), false);
    await session.stream.halfClose();
  },

  "a job that is hardly older than a call is not killed with it": async (live, name) => {
    const session = await WaitingSession.open(live, name);
    for (let round = 0; round < 30; round++) {
      const [early, late] = [uniqueSleep(), uniqueSleep()];
      await session.bash(`sleep ${early} > /dev/null 2>&1 &`);
      const uniqId = `late-${round}`;
      const running = session.stream.call("bash", { command: `setsid -f sleep ${late}; sleep ${late}` }, { uniqId });
      await Promise.all([livingAre(late, 2), livingAre(early, 1)]);
      session.stream.send({ $case: "cancel", value: { uniqId } });
      assert.equal((await running).status, CallStatus.CALL_STATUS_CANCELLED);
      assert.deepEqual([living(early).length, living(late).length], [1, 0], `in round ${round}`);
    }
    await session.stream.halfClose();
  },

  "a timeout or cancel kills what such a shell started, and neither earlier jobs nor the next shell": async (
    live,
    name,
  ) => {
    const session = await WaitingSession.open(live, name);
    const [early, late] = [uniqueSleep(), uniqueSleep()];
    await session.bash(`sleep ${early} > /dev/null 2>&1 &`);
    for (let round = 0; round < 3; round++) {
      await session.shell();
      const result = await session.bash(`setsid -f sleep ${late}; sleep ${late} & sleep ${late}`, 1);
      assert.equal(result.status, CallStatus.CALL_STATUS_TIMED_OUT);
      assert.equal(living(late).length, 0);
    }
    await session.shell();
    const running = session.stream.call("bash", { command: `sleep ${late}` }, { uniqId: "long" });
    await livingAre(late, 1);
    session.stream.send({ $case: "cancel", value: { uniqId: "long" } });
    assert.equal((await running).status, CallStatus.CALL_STATUS_CANCELLED);
    assert.equal(living(late).length, 0);
    assert.equal(living(early).length, 1);
    assert.equal((await session.awaited("echo here")).output, "here");
    await session.stream.halfClose();
  },
};
