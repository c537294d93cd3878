// `bash`, and `terminal`, which Hermes-style clients call it by.
import { failedOutcome } from "../core/outcome.js";
import { objectSchema, type Tool } from "./tool.js";

const TIMEOUT = { type: "number", description: "Seconds that the command may run" };

export const bash: Tool = {
  name: "bash",
  description:
    "Runs a bash command in the trajectory's workspace and returns stdout, stderr and the exit code. " +
    "Files and background processes stay for the next call; the shell itself does not.",
  parameters: objectSchema(
    { command: { type: "string", description: "The command, as for bash -c" }, timeout: TIMEOUT },
    ["command"],
  ),
  plan(args) {
    const command = args.text("command");
    return { operation: { kind: "bash", command }, metadata: {}, isCommand: true };
  },
};

export const terminal: Tool = {
  name: "terminal",
  description: bash.description,
  parameters: objectSchema(
    {
      command: { type: "string", description: "The command, as for bash -c" },
      timeout: TIMEOUT,
      background: { type: "boolean", description: "Not supported: true is refused" },
    },
    ["command"],
  ),
  plan(args, limits) {
    if (args.flag("background")) {
      return failedOutcome("INVALID", "terminal background execution is not supported in sandbox");
    }
    return bash.plan(args, limits);
  },
};
