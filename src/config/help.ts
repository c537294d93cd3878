// The table of options that `switchyard serve --help` prints.
import { variableName } from "./environment.js";
import { OPTIONS, type Option } from "./options.js";

/** One line for each option: its name, its default, what it is, and what it may be. */
export function optionTable(): string {
  const rows = OPTIONS.map((option) => ({
    name: nameOf(option),
    fallback: fallbackOf(option),
    text: textOf(option),
  }));
  const nameWidth = Math.max(...rows.map(({ name }) => name.length));
  const fallbackWidth = Math.max(...rows.map(({ fallback }) => fallback.length));
  const lines = rows.map(({ name, fallback, text }) =>
    `  ${name.padEnd(nameWidth)}  ${fallback.padEnd(fallbackWidth)}  ${text}`.trimEnd(),
  );
  return ["Options of the configuration file, with their defaults:", ...lines, "", environmentNote()].join("\n");
}

/** With `NAME` for what the user names, and `N` for a place in a list. */
export function nameOf({ path }: Option): string {
  return path.map((key, depth) => (key === "*" ? placeholder(path.slice(0, depth)) : key)).join(".");
}

export function fallbackOf({ fallback }: Option): string {
  return fallback === "" ? '""' : (fallback ?? "(none)");
}

function placeholder(section: readonly string[]): string {
  return OPTIONS.some((option) => option.path.join() === section.join()) ? "N" : "NAME";
}

function textOf(option: Option): string {
  return option.expects === "text" ? option.description : `${option.description} (${option.expects})`;
}

function environmentNote(): string {
  const examples = [
    ["batch", "window_ms"],
    ["pools", "default", "image"],
  ].map(variableName);
  return `Each can be set in the environment as well: ${examples.join(", ")}. Flags win over the environment, and it over the file.`;
}
