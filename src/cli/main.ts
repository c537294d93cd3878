#!/usr/bin/env node
// The `switchyard` command: commands and their flags, nothing else. What a server is made of takes a second to load, so it
// is loaded by the commands that need it.
import { Command, Option } from "commander";
import { optionTable } from "../config/help.js";
import { benchCommand } from "./bench.js";
import { addClientCommands } from "./client-commands.js";
import { DOCTOR_HELP } from "./doctor-help.js";
import { packageVersion } from "./package.js";
import type { ServeFlags } from "./serve.js";
import { token } from "./token.js";

const program = new Command("switchyard")
  .description("Runs the tool calls of RL rollouts that arrive on gRPC streams")
  .version(packageVersion(), "--version")
  .showHelpAfterError("(switchyard --help lists the commands)");

/** These commands take the same configuration. */
function configured(name: string, description: string, parent = program): Command {
  return parent
    .command(name)
    .description(description)
    .option("--config <file>", "YAML file with the configuration")
    .option("--listen <host:port>", "address of the gRPC server")
    .addOption(new Option("--backend <backend>", "what makes containers: auto, docker or process"))
    .option("--log-level <level>", "fatal, error, warn, info, debug or trace");
}

interface Given {
  readonly config?: string;
  readonly listen?: string;
  readonly backend?: string;
  readonly logLevel?: string;
  readonly handover?: boolean;
}

interface Printed {
  readonly json?: boolean;
  readonly origins?: boolean;
}

function serveFlags({ logLevel, ...rest }: Given): ServeFlags {
  return { ...rest, ...(logLevel !== undefined && { "log-level": logLevel }) };
}

configured("serve", "Start the server")
  .option("--handover", "at SIGTERM, leave containers and trajectories to the next server of this instance")
  .addHelpText("after", () => `\n${optionTable()}`)
  .action(async (given: Given) => (await import("./serve.js")).serve(serveFlags(given)));

configured("doctor", "Check whether the server could run here, and say what to do where not")
  .option("--json", "print the checks as a JSON array")
  .addHelpText("after", `\n${DOCTOR_HELP}`)
  .action(async ({ json, ...given }: Given & { json?: boolean }) => {
    const { doctor } = await import("./doctor.js");
    await doctor({ ...serveFlags(given), ...(json !== undefined && { json }) });
  });

const config = program.command("config").description("Look at a configuration, without starting anything");
configured("check", "Say whether serve would take it; exit code 1 when not", config)
  .option("--json", "print problems and warnings as a JSON object")
  .action(async ({ json, ...given }: Given & Printed) => {
    const { checkConfig } = await import("./config.js");
    await checkConfig({ ...serveFlags(given), ...(json && { json }) });
  });
configured("print", "Print what it comes to as YAML, with defaults, environment and flags, and secrets hidden", config)
  .option("--origins", "say of each value where it is from")
  .option("--json", "print JSON")
  .action(async ({ json, origins, ...given }: Given & Printed) => {
    const { printConfig } = await import("./config.js");
    printConfig({ ...serveFlags(given), ...(json && { json }), ...(origins && { origins }) });
  });
config
  .command("schema")
  .description("Print the JSON Schema of the file, for editors")
  .action(async () => {
    const { printSchema } = await import("./config.js");
    printSchema();
  });

program
  .command("token")
  .argument("[name]", "whose requests they are that come with it")
  .description("Make a bearer token, and what of it goes into the configuration")
  .option("--json", "print name, token and sha256 as a JSON object")
  .action(token);

addClientCommands(program);
program.addCommand(benchCommand());

await program.parseAsync();
