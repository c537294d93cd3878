// The pages of docs/getting-started, and what the README says first, run as they stand: a page becomes one bash script that
// writes the files it says to save, runs its `sh` blocks in their order, and must print what it says it prints. Only the port
// differs, which is the server's.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { FaultProxy } from "../support/fault-proxy.js";
import { ROOT, RUST_BUILD } from "./languages.js";
import { lastWords, runCommand } from "./run-command.js";

export interface Document {
  readonly name: string;
  readonly file: string;
  /** Programs that it takes to be there. */
  readonly needs: readonly string[];
  /** Only what stands below this heading. */
  readonly heading?: string;
  /** Where it says that it is run; default: an empty folder. */
  readonly folder?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Its last script is run again, over a connection that is cut once, when so many bytes have come down. */
  readonly cutAtByte?: number;
}

const START = "docs/getting-started";

export const DOCUMENTS: readonly Document[] = [
  { name: "README", file: "README.md", heading: "First calls", folder: ROOT, needs: ["go"] },
  { name: "grpcurl", file: `${START}/grpcurl.md`, needs: ["go"] },
  { name: "python", file: `${START}/python.md`, cutAtByte: 30_000, needs: ["python3"] },
  { name: "typescript", file: `${START}/typescript.md`, needs: ["npm"] },
  { name: "go", file: `${START}/go.md`, needs: ["go", "protoc"] },
  { name: "rust", file: `${START}/rust.md`, needs: ["cargo"], env: RUST_BUILD },
  { name: "java", file: `${START}/java.md`, needs: ["javac", "mvn"] },
];

const DOCUMENT_MAX_MS = 600_000;
const DOCUMENTED_PORT = /(?<=(?:127\.0\.0\.1|localhost):)50051\b/g;
/** Of a result these differ from run to run. */
const TIMES = new Set(["queueTime", "execTime"]);
const MARK = "--- what the next block prints";

interface Block {
  readonly kind: "script" | "file" | "prints";
  /** Of a file its name; of what is printed its language. */
  readonly label: string;
  readonly text: string;
}

/** Why the page does not do what it says; undefined when it does. */
export async function runDocument(document: Document, address: string): Promise<string | undefined> {
  const blocks = blocksOf(sectionOf(readFileSync(join(ROOT, document.file), "utf8"), document.heading));
  if (!blocks.some(({ kind }) => kind === "script")) return "it has no sh block";
  const folder = mkdtempSync(join(tmpdir(), "switchyard-page-"));
  try {
    const settings = { cwd: document.folder ?? folder, env: { ...document.env, SWITCHYARD: ROOT } };
    const failure = await runBlocks(blocks, address, settings);
    if (failure !== undefined || document.cutAtByte === undefined) return failure;
    return await runCut(lastScriptOf(blocks), address, settings, document.cutAtByte);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

type Settings = { readonly cwd: string; readonly env: Readonly<Record<string, string>> };

async function runBlocks(blocks: readonly Block[], address: string, settings: Settings): Promise<string | undefined> {
  const script = scriptOf(blocks).replace(DOCUMENTED_PORT, portOf(address));
  const ending = await runCommand(["bash", "-euc", script], { ...settings, timeoutMs: DOCUMENT_MAX_MS });
  if (ending.failure !== "") return lastWords(ending);
  return differenceOf(blocks, ending.stdout.split(`${MARK}\n`).slice(1));
}

async function runCut(
  blocks: readonly Block[],
  address: string,
  settings: Settings,
  atByte: number,
): Promise<string | undefined> {
  const proxy = await FaultProxy.start(address);
  proxy.set({ cut: { direction: "down", atByte, how: "reset" } });
  try {
    const failure = await runBlocks(blocks, proxy.address, settings);
    if (failure !== undefined) return `with a cut connection: ${failure}`;
    return proxy.faults.cut === undefined ? undefined : "its connection was never cut";
  } finally {
    await proxy.close();
  }
}

/** With the files, which name the address, and what it prints. */
function lastScriptOf(blocks: readonly Block[]): Block[] {
  const last = blocks.findLastIndex(({ kind }) => kind === "script");
  return blocks.filter(({ kind }, at) => kind === "file" || at >= last);
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(":") + 1);
}

function sectionOf(text: string, heading: string | undefined): string {
  if (heading === undefined) return text;
  const [, section] = text.split(`\n## ${heading}\n`);
  if (section === undefined) throw new Error(`no heading ${heading}`);
  return section.split(/\n## /)[0] ?? "";
}

/** A block of another language than sh is a file if the text before says "Save this as `NAME`", else what was printed. */
function blocksOf(text: string): Block[] {
  const found = text.matchAll(/(?:Save this as `([^`]+)`[^`]*:\n\n)?^```(\w*)\n(.*?)^```$/gms);
  return [...found].flatMap(([, name, language = "", body = ""]): Block[] => {
    if (name !== undefined) return [{ kind: "file", label: name, text: body }];
    if (language === "sh") return [{ kind: "script", label: "", text: body }];
    return [{ kind: "prints", label: language, text: body }];
  });
}

function scriptOf(blocks: readonly Block[]): string {
  const parts = blocks.map(({ kind, label, text }) => {
    if (kind === "file") return `cat >'${label}' <<'END OF FILE'\n${text}END OF FILE`;
    return kind === "script" ? `printf '%s\\n' '${MARK}'\n${text}` : "";
  });
  return parts.join("\n");
}

/** `printed` are what the scripts printed, in their order; what a page shows of it stands right below the script. */
function differenceOf(blocks: readonly Block[], printed: readonly string[]): string | undefined {
  const scripts = blocks.filter(({ kind }) => kind === "script");
  for (const [at, script] of scripts.entries()) {
    const shown = blocks[blocks.indexOf(script) + 1];
    if (shown?.kind !== "prints") continue;
    const got = printed[at] ?? "";
    const same =
      shown.label === "json"
        ? isDeepStrictEqual(parsed(got), parsed(shown.text))
        : got.trimEnd() === shown.text.trimEnd();
    if (!same) return `this was to be printed:\n${shown.text}and this was:\n${got}`;
  }
  return undefined;
}

function parsed(json: string): unknown {
  return JSON.parse(json, (name, value) => (TIMES.has(name) ? undefined : value));
}
