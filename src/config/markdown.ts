// The tables of docs/configuration.md: every option by section.
import { fallbackOf, nameOf } from "./help.js";
import { OPTIONS, type Option } from "./options.js";
import { isReloadable } from "./reloadable.js";

export function optionTables(): string {
  const sections = new Map<string, Option[]>();
  for (const option of OPTIONS) {
    const section = option.path.length === 1 ? "" : (option.path[0] ?? "");
    sections.set(section, [...(sections.get(section) ?? []), option]);
  }
  return [...sections].map(([section, options]) => table(section, options)).join("\n\n");
}

function table(section: string, options: readonly Option[]): string {
  const rows = options.map((option) => `| ${cellsOf(option).join(" | ")} |`);
  const head = ["| option | default | what it is | must be | reload |", "| --- | --- | --- | --- | --- |"];
  return [`### ${section === "" ? "The server itself" : `\`${section}\``}`, "", ...head, ...rows].join("\n");
}

function cellsOf(option: Option): string[] {
  return [
    `\`${nameOf(option)}\``,
    option.fallback === undefined ? "it must be given" : `\`${fallbackOf(option)}\``,
    escaped(option.description),
    escaped(option.expects),
    isReloadable(option.path) ? "yes" : "",
  ];
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|");
}
