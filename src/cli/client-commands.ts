// The commands that talk to a server: their flags, their help, and the functions behind them.
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import {
  type ArtifactFlags,
  archiveArtifacts,
  getArtifact,
  type ListFlags,
  listArtifacts,
  putArtifact,
} from "./client/artifacts.js";
import { type CallFlags, call } from "./client/call.js";
import { withConnection } from "./client/connection.js";
import { EXIT, EXIT_HELP } from "./client/exit.js";
import { endWithReader } from "./client/run.js";
import { type StatusFlags, status } from "./client/status.js";
import { type ToolsFlags, tools } from "./client/tools.js";
import { type TopFlags, top } from "./client/top.js";
import { type VersionFlags, version } from "./client/version.js";
import { commandTree } from "./command-tree.js";
import { completionScript, SHELLS, type Shell } from "./completion.js";

const INTERVAL_S = { min: 0.1, max: 60 } as const;

export function addClientCommands(program: Command): void {
  addCall(program);
  addTop(program);
  addArtifacts(program);
  client(program, "tools", "List the tools that calls may name")
    .option("--json", "print them as a JSON array, with the JSON Schema of their arguments")
    .addHelpText("after", examples("switchyard tools", "switchyard tools --json | jq -r '.[].name'"))
    .action((flags: ToolsFlags) => tools(flags));
  client(program, "status", "Show a server's counters and pools")
    .option("--json", "print them as a JSON object")
    .addHelpText("after", examples("switchyard status", "switchyard status --json | jq .queue_size"))
    .action((flags: StatusFlags) => status(flags));
  client(program, "version", "Show the version of this program, and of a server when --server names one")
    .option("--json", "print it as a JSON object")
    .addHelpText("after", examples("switchyard version", "switchyard version --server 127.0.0.1:50051 --json"))
    .action((flags: VersionFlags, command: Command) =>
      version(flags, command.getOptionValueSource("server") !== "default"),
    );
  addCompletion(program);
}

function addCall(program: Command): void {
  inTrajectory(client(program, "call [tool] [text...]", "Make one call, or, without a tool, open a prompt"), false)
    .option("--args <json>", "the tool's arguments as a JSON object")
    .option("--group <name>", "the trajectory's group")
    .option("--pool <name>", "the pool that its slot comes from")
    .addOption(new Option("--timeout <seconds>", "how long the call may run").argParser(seconds(0, 86_400)))
    .option("--stream", "show output as it comes, exactly; the default on a terminal for a trajectory of its own")
    .option("--no-stream", "show what a model would read, once the call is over")
    .addOption(new Option("--json", "print the result as a JSON object").conflicts("stream"))
    .addHelpText(
      "after",
      `
TEXT is the command of bash, bash_stateful, terminal and terminal_stateful, and the path of read_file; put -- in front of
text that begins with a dash. Without --trajectory the call has a trajectory, and so a workspace, of its own, which ends
with it. With --trajectory ID it runs in that one, which is begun if there is none and lives on for its lease; it waits
for its turn beside whoever else uses it, but with --stream it takes the stream over, and another's stream ends.
${examples(
  "switchyard call bash 'echo hi'",
  "switchyard call --trajectory demo bash 'git clone https://example.org/repo'",
  "switchyard call --trajectory demo read_file repo/README.md",
  `switchyard call write_file --args '{"path": "a.txt", "content": "hi"}' --trajectory demo --json`,
  "switchyard call --pool default",
)}
${EXIT_HELP}`,
    )
    .action((tool: string | undefined, text: string[], flags: CallFlags) => call(tool, text, flags));
}

function addTop(program: Command): void {
  client(program, "top", "Watch pools, slots, trajectories and rates")
    .addOption(
      new Option("--interval <seconds>", `from one sample to the next, ${INTERVAL_S.min}–${INTERVAL_S.max}`)
        .default(1)
        .argParser(seconds(INTERVAL_S.min, INTERVAL_S.max)),
    )
    .addOption(
      new Option("--trajectories <number>", "how many to list with --once and --json, 0–1000")
        .default(20)
        .argParser(whole(0, 1000)),
    )
    .option("--once", "print one table, of two samples, and end; the default where stdout is no terminal")
    .option("--json", "print each sample as a line of JSON")
    .addHelpText(
      "after",
      `
The most active of your own trajectories come first. q or Ctrl-C ends it.
${examples("switchyard top", "switchyard top --once", "switchyard top --json --interval 10 >> samples.jsonl")}`,
    )
    .action((flags: TopFlags) => top(flags));
}

function addArtifacts(program: Command): void {
  const artifacts = program
    .command("artifacts")
    .description("Copy files and folders from and to a trajectory's workspace")
    .addHelpText(
      "after",
      examples(
        "switchyard artifacts ls --trajectory demo --recursive",
        "switchyard artifacts get --trajectory demo out/answer.txt",
        "switchyard artifacts get --trajectory demo out ./results",
        "switchyard artifacts put --trajectory demo ./seed seed",
        "switchyard artifacts archive --trajectory demo out - | tar -tz",
      ),
    );
  const json = "print what was done as a JSON object";
  inTrajectory(client(artifacts, "ls [path]", "List a folder; without a path the workspace"), true)
    .option("-r, --recursive", "and all folders in it")
    .addOption(new Option("--max <number>", "entries at most, 1–10000").argParser(whole(1, 10_000)))
    .option("--json", "print the entries as a JSON object")
    .addHelpText("after", examples("switchyard artifacts ls --trajectory demo -r src"))
    .action((path: string | undefined, flags: ListFlags) => listArtifacts(path ?? "", flags));
  inTrajectory(client(artifacts, "get <remote> [local]", "Fetch a file or a folder; - is stdout"), true)
    .option("--json", json)
    .addHelpText(
      "after",
      `
Links in a folder are left out, and named: the code in the slot made them.
${examples("switchyard artifacts get --trajectory demo out/answer.txt -")}`,
    )
    .action((remote: string, local: string | undefined, flags: ArtifactFlags) => getArtifact(remote, local, flags));
  inTrajectory(client(artifacts, "put <local> [remote]", "Send a file or a folder; - is stdin"), true)
    .addOption(new Option("--mode <octal>", "a file's permission bits, such as 755").argParser(octal))
    .option("--json", json)
    .addHelpText("after", examples("tar -cf - . | switchyard artifacts put --trajectory demo - work.tar"))
    .action((local: string, remote: string | undefined, flags: ArtifactFlags & { readonly mode?: number }) =>
      putArtifact(local, remote, flags),
    );
  inTrajectory(client(artifacts, "archive [path] [local]", "Fetch a folder as tar.gz; - is stdout"), true)
    .option("--json", json)
    .addHelpText("after", examples("switchyard artifacts archive --trajectory demo out out.tar.gz"))
    .action((path: string | undefined, local: string | undefined, flags: ArtifactFlags) =>
      archiveArtifacts(path ?? "", local, flags),
    );
}

function addCompletion(program: Command): void {
  program
    .command("completion")
    .description("Print a script that completes commands and options in your shell")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .addHelpText(
      "after",
      examples(
        'eval "$(switchyard completion bash)"        # in ~/.bashrc',
        "source <(switchyard completion zsh)         # in ~/.zshrc, after compinit",
        "switchyard completion fish | source         # in ~/.config/fish/config.fish",
      ),
    )
    .action((shell: Shell) => {
      endWithReader();
      process.stdout.write(completionScript(shell, commandTree(program)));
    });
}

/** A command that talks to a server. Wrong options end it with a code that no command of `call` shares by chance. */
function client(parent: Command, nameAndArguments: string, description: string): Command {
  const command = parent.command(nameAndArguments).description(description);
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.OK : EXIT.USAGE));
  return withConnection(command);
}

function inTrajectory(command: Command, isRequired: boolean): Command {
  const which = new Option("--trajectory <id>", "the trajectory").makeOptionMandatory(isRequired);
  const token = new Option("--resume-token <token>", "what guards it").env("SWITCHYARD_CLIENT_RESUME_TOKEN");
  return command.addOption(which).addOption(token);
}

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

function seconds(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a number of seconds from ${min} to ${max}.`);
  };
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function octal(text: string): number {
  if (/^0?[0-7]{1,3}$/.test(text)) return Number.parseInt(text, 8);
  throw new InvalidArgumentError("It must be an octal number up to 777.");
}
