// A call's arguments, as they are given on a command line.
import type { ToolArguments } from "../../client/index.js";
import { messageOf } from "../../core/errors.js";
import { usage } from "./exit.js";

/** What one text on the command line is to these tools. */
const TEXT_ARGUMENT: Readonly<Record<string, string>> = {
  bash: "command",
  bash_stateful: "command",
  terminal: "command",
  terminal_stateful: "command",
  read_file: "path",
};

/** Throws for texts that the tool has no argument for, and for `--args` that are no object. */
export function argumentsOf(tool: string, words: readonly string[], json: string | undefined): ToolArguments {
  const args = json === undefined ? {} : objectOf(json);
  if (words.length === 0) return args;
  const name = TEXT_ARGUMENT[tool];
  if (name === undefined) throw usage(`the tool ${tool} takes no text; give its arguments as --args '{"name": ...}'`);
  if (name in args) throw usage(`${name} is given twice: as text and in --args`);
  return { ...args, [name]: words.join(" ") };
}

export function objectOf(json: string): ToolArguments {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw usage(`the arguments are no JSON: ${messageOf(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw usage(`the arguments must be a JSON object, such as '{"path": "file"}'`);
  }
  return { ...value };
}
