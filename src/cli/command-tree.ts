// The commands, their options and their words, out of what the help is made of.
import type { Command, Option } from "commander";

export interface CommandNode {
  /** `/artifacts/get`; empty for the program itself. */
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionNode[];
  /** What its arguments may be, where that is a fixed set. */
  readonly words: readonly string[];
  readonly children: readonly CommandNode[];
}

export interface OptionNode {
  readonly long: string;
  /** Without its dash. */
  readonly short: string | undefined;
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

export function commandTree(command: Command, path = ""): CommandNode {
  const help = { long: "help", short: "h", description: "say how it is used", takesValue: false, choices: [] };
  return {
    path,
    name: command.name(),
    description: command.description(),
    options: [...command.options.filter(({ hidden }) => !hidden).map(optionNode), help],
    words: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    children: command.commands.map((child) => commandTree(child, `${path}/${child.name()}`)),
  };
}

/** It and all below it. */
export function allNodes(node: CommandNode): CommandNode[] {
  return [node, ...node.children.flatMap(allNodes)];
}

function optionNode({ long, short, description, required, optional, argChoices }: Option): OptionNode {
  return {
    long: (long ?? "").replace(/^--/, ""),
    short: short?.replace(/^-/, ""),
    description,
    takesValue: required || optional,
    choices: argChoices ?? [],
  };
}
