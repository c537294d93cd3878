// `switchyard config`: whether a configuration is good, what it comes to, and what one may look like. It starts nothing and
// needs no server; exit code 1 when the configuration is not good.
import { warningsOf } from "../config/checks.js";
import { configJsonSchema } from "../config/json-schema.js";
import { type Problem, type Reading, readConfig } from "../config/load.js";
import type { Config } from "../config/schema.js";
import { optionsOf, toYaml, withoutSecrets } from "../config/show.js";
import { messageOf, SwitchyardError } from "../core/errors.js";
import { readCertificates } from "../grpc/certificates.js";
import type { ServeFlags } from "./serve.js";

interface Flags extends ServeFlags {
  readonly json?: boolean;
  readonly origins?: boolean;
}

/** Every problem on a line of its own. */
export async function checkConfig({ json = false, config: file, ...flags }: Flags): Promise<void> {
  const { config, problems } = read(file, flags);
  const found = [...problems];
  const warnings = config ? [...warningsOf(config), ...(await certificateWarnings(config, found))] : [];
  const valid = found.length === 0;
  process.exitCode = valid ? 0 : 1;
  if (json) return print(`${JSON.stringify({ valid, problems: found, warnings }, undefined, 2)}\n`);
  complainOf(found, file);
  for (const warning of warnings) complain(`warning: ${warning}`);
  if (valid) print(`${file ?? "the configuration"} is good\n`);
}

/** Secrets are hidden. */
export function printConfig({ json = false, origins = false, config: file, ...flags }: Flags): void {
  const { config, problems, originOf } = read(file, flags);
  if (config === undefined) {
    process.exitCode = 1;
    complainOf(problems, file);
  } else if (json) {
    print(`${JSON.stringify(origins ? optionsOf(config, originOf) : withoutSecrets(config), undefined, 2)}\n`);
  } else {
    print(toYaml(config, origins ? originOf : undefined));
  }
}

export function printSchema(): void {
  print(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
}

function read(file: string | undefined, flags: ServeFlags): Reading {
  try {
    return readConfig({ ...(file !== undefined && { file }), env: process.env, flags });
  } catch (error) {
    if (!(error instanceof SwitchyardError)) throw error;
    return { config: undefined, problems: [{ text: error.message }], originOf: () => ({ from: "default" }) };
  }
}

/** What is wrong with them joins `problems`: a server would not start. */
async function certificateWarnings({ tls }: Config, problems: Problem[]): Promise<readonly string[]> {
  if (tls.cert === "") return [];
  try {
    return (await readCertificates(tls)).warnings;
  } catch (error) {
    problems.push({ text: messageOf(error) });
    return [];
  }
}

function print(text: string): void {
  // Whoever reads may have gone, as `head` does.
  process.stdout.on("error", () => {});
  process.stdout.write(text);
}

function complainOf(problems: readonly Problem[], file: string | undefined): void {
  for (const { text, line } of problems) complain(line === undefined ? text : `${file}:${line}: ${text}`);
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}
