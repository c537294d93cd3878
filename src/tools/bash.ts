// `bash` and `bash_stateful`, and `terminal` and `terminal_stateful`, which Hermes-style clients call them by.
import { failedOutcome } from "../core/outcome.js";
import { objectSchema, type Tool } from "./tool.js";

const TIMEOUT = { type: "number", description: "Seconds that the command may run" };
const COMMAND = { type: "string", description: "The command, as for bash -c" };
const BACKGROUND = { type: "boolean", description: "Not supported: true is refused" };

export const bash: Tool = {
  name: "bash",
  description:
    "Runs a bash command in the trajectory's workspace and returns stdout, stderr and the exit code. " +
    "Files and background processes stay for the next call; the shell itself does not.",
  parameters: objectSchema({ command: COMMAND, timeout: TIMEOUT }, ["command"]),
  plan(args) {
    const command = args.text("command");
    return { operation: { kind: "bash", command }, metadata: {}, isCommand: true };
  },
};

export const bashStateful: Tool = {
  name: "bash_stateful",
  description:
    "Runs a bash command in the trajectory's one lasting shell and returns stdout, stderr and the exit code. " +
    "Directory, variables, functions, options and background jobs stay for the next call.",
  parameters: bash.parameters,
  plan(args) {
    const command = args.text("command");
    const operation = { kind: "bash_stateful", command } as const;
    return { operation, metadata: { stateful: true }, isCommand: true, isStateful: true };
  },
};

export const terminal = terminalOf("terminal", bash);
export const terminalStateful = terminalOf("terminal_stateful", bashStateful);

function terminalOf(name: string, tool: Tool): Tool {
  return {
    name,
    description: tool.description,
    parameters: objectSchema({ command: COMMAND, timeout: TIMEOUT, background: BACKGROUND }, ["command"]),
    plan(args, limits) {
      if (args.flag("background")) {
        return failedOutcome("INVALID", "terminal background execution is not supported in sandbox");
      }
      return tool.plan(args, limits);
    },
  };
}
