// Scripts that teach a shell the commands and options of a program. Where they know nothing better they leave it to the
// shell, which offers files.
import { allNodes, type CommandNode, type OptionNode } from "./command-tree.js";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

const SCRIPTS = { bash, zsh, fish } as const satisfies Record<Shell, (tree: CommandNode) => string>;

export function completionScript(shell: Shell, tree: CommandNode): string {
  return SCRIPTS[shell](tree);
}

function bash(tree: CommandNode): string {
  const nodes = allNodes(tree);
  const values = nodes.flatMap(({ path, options }) =>
    options.filter(({ takesValue }) => takesValue).map((option) => valueCase(path, option)),
  );
  return `# bash completion of ${tree.name}: eval "$(${tree.name} completion bash)"
_${tree.name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at= words= options= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at/\${COMP_WORDS[i]}" in
      ${pathPattern(tree)}) at="$at/\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev" in
${values.join("\n")}
  esac
  case "$at" in
${nodes.map(bashNode).join("\n")}
  esac
  [[ $cur == -* ]] && words=$options
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _${tree.name} ${tree.name}
`;
}

function valueCase(path: string, { long, choices }: OptionNode): string {
  const offer = choices.length === 0 ? "" : ` COMPREPLY=($(compgen -W ${quoted(choices.join(" "))} -- "$cur"));`;
  return `    ${quoted(`${path} --${long}`)})${offer} return ;;`;
}

function bashNode({ path, options, words, children }: CommandNode): string {
  const all = [...children.map(({ name }) => name), ...words].join(" ");
  return `    ${quoted(path)}) words=${quoted(all)} options=${quoted(options.flatMap(dashed).join(" "))} ;;`;
}

function zsh(tree: CommandNode): string {
  const nodes = allNodes(tree).map(({ path, children, words, options }) => {
    const offered = [...children.map(({ name, description }) => described(name, description)), ...words.map(quoted)];
    const dashes = options.flatMap((option) => dashed(option).map((name) => described(name, option.description)));
    return `    ${quoted(path)}) offered=(${offered.join(" ")}) dashes=(${dashes.join(" ")}) ;;`;
  });
  return `#compdef ${tree.name}
# zsh completion of ${tree.name}: source <(${tree.name} completion zsh), after compinit
_${tree.name}() {
  local at= word
  local -a offered dashes
  for word in \${words[2,CURRENT-1]}; do
    case "$at/$word" in
      ${pathPattern(tree)}) at="$at/$word" ;;
    esac
  done
  case "$at" in
${nodes.join("\n")}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option dashes
  else
    _describe command offered
    (( \${#offered} )) || _files
  fi
}
compdef _${tree.name} ${tree.name}
`;
}

function fish(tree: CommandNode): string {
  const rules = allNodes(tree).flatMap(({ path, children, words, options }) => {
    const when = `complete -c ${tree.name} -n ${quoted(`__${tree.name}_at '${path}'`)}`;
    return [
      ...children.map(({ name, description }) => `${when} -f -a ${quoted(name)} -d ${quoted(short(description))}`),
      ...words.map((word) => `${when} -f -a ${quoted(word)}`),
      ...options.map((option) => `${when}${fishOption(option)}`),
    ];
  });
  return `# fish completion of ${tree.name}: ${tree.name} completion fish | source
function __${tree.name}_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    switch "$at/$word"
      case ${pathPattern(tree).split("|").join(" ")}
        set at "$at/$word"
    end
  end
  test "$at" = "$argv[1]"
end
${rules.join("\n")}
`;
}

function fishOption({ long, short: letter, description, takesValue, choices }: OptionNode): string {
  const value = choices.length > 0 ? ` -x -a ${quoted(choices.join(" "))}` : " -r";
  return ` -l ${long}${letter ? ` -s ${letter}` : ""} -d ${quoted(short(description))}${takesValue ? value : ""}`;
}

function pathPattern(tree: CommandNode): string {
  return tree.children
    .flatMap(allNodes)
    .map(({ path }) => path)
    .join("|");
}

function dashed({ long, short: letter }: OptionNode): string[] {
  return letter ? [`--${long}`, `-${letter}`] : [`--${long}`];
}

/** For zsh's _describe. */
function described(name: string, description: string): string {
  return quoted(`${name.replaceAll(":", "\\:")}:${short(description)}`);
}

function short(description: string): string {
  return description.split("\n", 1)[0] ?? "";
}

/** For all three shells: what is quoted has no quotes of its own in it, so it is written without those. */
function quoted(text: string): string {
  return text.includes("'") ? `"${text.replaceAll(/["$`\\]/g, "")}"` : `'${text}'`;
}
