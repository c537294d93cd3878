// Random bash scripts, from a seed: quotes, heredocs, subshells, functions, exits, signals, unicode, bytes that are no text,
// and now and then what is no bash at all. What one prints depends on nothing but the script.
import type { Random } from "../../src/load/random.js";

const WORDS = [
  "plain",
  "two words",
  "größe",
  "日本語",
  "🚂 tracks",
  "a'b",
  'say "x"',
  "$HOME-less",
  "back\\slash",
  "",
  "*",
  "-n",
];
const NAMES = ["alpha", "beta", "gamma"];
/** As printf reads it. */
const NUL = "\\000";
const SIGNALS = ["TERM", "HUP", "USR1", "KILL", "INT"];

export interface ScriptOptions {
  /** May end the shell itself: `exit`, `exec`, a signal, `set -e`. */
  readonly ends: boolean;
  /** Others follow in the same shell: bash 5.2 damages its own heap over a `$(` that is never closed in an `eval`. */
  readonly goesOn?: boolean;
}

export function randomScript(random: Random, options: ScriptOptions): string {
  const lines = Array.from({ length: random.whole(1, 6) }, () => statement(random, 2));
  if (random.chance(0.1)) lines.push("trap 'echo trapped' USR1; kill -USR1 $$");
  if (options.ends && random.chance(0.3)) lines.splice(random.whole(0, lines.length), 0, ending(random));
  // Last, as what follows would be text in some of them, and `$$` in it another number in each shell.
  if (random.chance(0.08)) lines.push(broken(random, options));
  return lines.join(random.pick(["\n", "\n", "\n\n"])) + random.pick(["", "\n"]);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function word(random: Random): string {
  const text = random.pick(WORDS);
  const name = random.pick(NAMES);
  return random.pick([
    () => quoted(text),
    () => `"${text.replaceAll(/["\\$`]/g, "\\$&")}"`,
    () => `$'\\t${random.whole(0, 9)}\\x41'`,
    () => `"\${${name}:-unset}"`,
    () => `"\${#${name}}"`,
    () => `$((${random.whole(0, 99)} * ${random.whole(1, 9)}))`,
    () => `"$(printf '%s' ${quoted(text)})"`,
    () => "$?",
  ])();
}

function noText(random: Random): string {
  return `printf '\\x${random.whole(128, 255).toString(16)}${NUL}end'`;
}

function simple(random: Random): string {
  const name = random.pick(NAMES);
  return random.pick([
    () => `echo ${word(random)} ${word(random)}`,
    () => `printf '%s|' ${word(random)} ${word(random)}`,
    () => `echo ${word(random)} >&2`,
    () => noText(random),
    () => `echo "sub: $(${noText(random)})"`,
    () => `${name}=${word(random)}`,
    () => `${name}+=${word(random)}`,
    () => `unset ${name}`,
    () => `declare -a list=(${word(random)} ${word(random)}); echo "\${#list[@]} \${list[1]}"`,
    () => random.pick(["true", "false", "cat", "no-such-program", "ls missing", `cd sub-${name}`, "test -d sub"]),
    () => `mkdir -p sub && cd sub && echo "\${PWD##*/}"; cd ~`,
    () => `echo ${word(random)} >> file; cat file`,
    () => `read -r ${name} <<< ${word(random)}; echo "got $${name}"`,
    () => `shopt -${random.pick(["s", "u"])} ${random.pick(["nullglob", "extglob", "dotglob"])}`,
    () => random.pick(["set -u", "set +u", "set -f", "set +f", "set -o pipefail", "set +o pipefail"]),
    () => `head -c ${random.whole(1, 9)}0000 /dev/zero | tr '\\0' ${random.whole(0, 9)}`,
  ])();
}

function statement(random: Random, depth: number): string {
  if (depth === 0 || random.chance(0.45)) return simple(random);
  const inner = () => statement(random, depth - 1);
  const name = random.pick(NAMES);
  return random.pick([
    () => `( ${inner()}\n)`,
    () => `( ${inner()}\nexit ${random.whole(0, 255)} )`,
    () => `{ ${inner()}\n} 2>&1`,
    () => `{ ${inner()}\n} | cat`,
    // Bash warns of a NUL there when it reads it, before or after what the command itself writes to stderr.
    () => `echo "sub: $(${inner().replaceAll(NUL, "")}\n)"`,
    () => `${name}() { ${inner()}\nreturn ${random.whole(0, 9)}; }\n${name}`,
    () => `for ${name} in 1 ${word(random)}; do ${inner()}\ndone`,
    () => `if ${inner()}\nthen ${inner()}\nelse ${inner()}\nfi`,
    () => `case ${word(random)} in *o*) ${inner()}\n;; *) echo other;; esac`,
    () => `i=0; while ((i < 2)); do i=$((i + 1)); ${inner()}\ndone`,
    () => `cat <<END\n${random.pick(WORDS).replaceAll(/[$`\\]/g, "")} $((1 + 1))\nEND`,
    () => `cat <<'END'\n${random.pick(WORDS)} $x \`y\`\nEND`,
    () => `cat <<-END >&2\n\tindented ${random.whole(0, 9)}\n\tEND`,
    () => `{ ${inner()}\n} & wait $!; echo "waited $?"`,
    () => `(trap 'echo caught; exit 3' TERM; kill -TERM $BASHPID; sleep 0)`,
    () => `(kill -${random.pick(["TERM", "HUP", "KILL"])} $BASHPID); echo "ended $?"`,
    () => `! ${inner()}`,
  ])();
}

function broken(random: Random, { goesOn = false }: ScriptOptions): string {
  return random.pick([
    "echo 'unclosed",
    goesOn ? 'echo "unclosed' : 'echo "unclosed $(',
    "if true; then",
    "fi",
    "echo )",
    "cat <<END\nno end",
    "for in do",
    "a=(1",
    "echo $((1 +",
  ]);
}

function ending(random: Random): string {
  return random.pick([
    () => `exit ${random.whole(0, 255)}`,
    () => `kill -${random.pick(SIGNALS)} $$`,
    () => "set -e\nfalse\necho unreached",
    () => "exec echo replaced",
    () => "trap 'echo at the end' EXIT\nexit 4",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is bash that reads it
    () => 'echo "${nowhere?is not set}"',
  ])();
}
