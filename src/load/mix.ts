// What calls a run makes: tools with weights, inline (`90:bash:true,9:bash:sleep 0.5,1:read_file:64KiB`) or from a YAML file. For
// each it is known what a right answer looks like, as far as the command tells or the file says.
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { messageOf } from "../core/errors.js";
import { bytes, usage } from "./quantity.js";

interface Weighted {
  readonly weight: number;
  /** How reports name it. */
  readonly label: string;
}

/** In `command` and `expect`, `{id}` stands for the `uniq_id` of the call. */
export interface ShellItem extends Weighted {
  readonly tool: "bash" | "bash_stateful";
  readonly command: string;
  /** The output that a right answer has; undefined: any. */
  readonly expect?: string;
  /** How many bytes a right answer's command has written; undefined: any. */
  readonly expectBytes?: number;
  /** How long the command itself takes, where that is known. */
  readonly nominalMs?: number;
}

export interface FileItem extends Weighted {
  readonly tool: "read_file" | "write_file";
  readonly bytes: number;
}

export type MixItem = ShellItem | FileItem;

const TOOLS = ["bash", "bash_stateful", "output", "read_file", "write_file"] as const;
type Kind = (typeof TOOLS)[number];

const ITEMS_MAX = 32;
/** A comma that begins another item; a command may hold others. */
const BETWEEN_ITEMS = /,(?=\s*\d+(?:\.\d+)?:[a-z_]+(?::|,|$))/;
const ITEM = /^\s*(\d+(?:\.\d+)?):([a-z_]+)(?::(.*))?$/s;
/** Commands whose output is plain from their text. */
const SILENT = /^(?:true|:|sleep (\d+(?:\.\d+)?))$/;
const ECHO = /^echo ([\w{}.-]+(?: [\w{}.-]+)*)$/;

export function parseMix(text: string): readonly MixItem[] {
  return text.endsWith(".yaml") || text.endsWith(".yml") ? mixFile(text) : inlineMix(text);
}

function inlineMix(text: string): readonly MixItem[] {
  const items = text.split(BETWEEN_ITEMS).map((part) => {
    const [, weight, tool = "", argument] = ITEM.exec(part) ?? [];
    if (weight === undefined) throw usage(`--mix: ${part} is no WEIGHT:TOOL:ARGUMENT`);
    return itemOf("--mix", { weight: Number(weight), tool, argument });
  });
  return checked("--mix", items);
}

function mixFile(path: string): readonly MixItem[] {
  let document: unknown;
  try {
    document = parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw usage(`--mix: ${path}: ${messageOf(error)}`, error);
  }
  if (!Array.isArray(document)) throw usage(`--mix: ${path} must hold a list of items`);
  const items = document.map((entry: unknown, index) => fileItem(`${path}: item ${index + 1}`, entry));
  return checked(path, items);
}

const KEYS = ["weight", "tool", "command", "size", "expect", "expect_bytes", "label"];

function fileItem(where: string, entry: unknown): MixItem {
  if (typeof entry !== "object" || entry === null) throw usage(`${where} must be a map`);
  const values = new Map<string, unknown>(Object.entries(entry));
  for (const key of values.keys()) {
    if (!KEYS.includes(key)) throw usage(`${where}: unknown key ${key}; known are ${KEYS.join(", ")}`);
  }
  const text = (key: string) => {
    const value = values.get(key);
    return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
  };
  const argument = text("command") ?? text("size");
  const item = itemOf(where, { weight: Number(values.get("weight") ?? 1), tool: text("tool") ?? "", argument });
  const [label, expect, expectBytes] = [text("label"), text("expect"), text("expect_bytes")];
  return {
    ...item,
    ...(label !== undefined && { label }),
    ...(expect !== undefined && { expect }),
    ...(expectBytes !== undefined && { expectBytes: bytes(`${where}: expect_bytes`, expectBytes) }),
  };
}

interface Written {
  readonly weight: number;
  readonly tool: string;
  readonly argument: string | undefined;
}

function itemOf(where: string, { weight, tool, argument }: Written): MixItem {
  if (!(weight > 0)) throw usage(`${where}: the weight must be over 0`);
  if (!isKind(tool)) throw usage(`${where}: unknown tool ${tool}; known are ${TOOLS.join(", ")}`);
  if (argument === undefined || argument === "") throw usage(`${where}: ${tool} needs ${NEEDS[tool]}`);
  if (tool === "bash" || tool === "bash_stateful") return shellItem(weight, tool, argument);
  const size = bytes(`${where}: ${tool}`, argument);
  if (tool !== "output") return { weight, tool, bytes: size, label: `${tool} ${argument}` };
  const command = `head -c ${size} /dev/zero | tr '\\0' x`;
  return { weight, tool: "bash", command, expectBytes: size, label: `output ${argument}` };
}

const NEEDS = {
  bash: "a command",
  bash_stateful: "a command",
  output: "a size",
  read_file: "a size",
  write_file: "a size",
} as const satisfies Record<Kind, string>;

function shellItem(weight: number, tool: ShellItem["tool"], command: string): ShellItem {
  const label = tool === "bash" ? command : `${tool} ${command}`;
  const silent = SILENT.exec(command);
  if (silent !== null) {
    return { weight, tool, command, label, expect: "", nominalMs: Number(silent[1] ?? 0) * 1000 };
  }
  const words = ECHO.exec(command)?.[1];
  return { weight, tool, command, label, ...(words !== undefined && { expect: words }) };
}

function checked(where: string, items: readonly MixItem[]): readonly MixItem[] {
  if (items.length >= 1 && items.length <= ITEMS_MAX) return items;
  throw usage(`${where}: a mix has 1 to ${ITEMS_MAX} items, this one ${items.length}`);
}

function isKind(tool: string): tool is Kind {
  return TOOLS.some((known) => known === tool);
}
