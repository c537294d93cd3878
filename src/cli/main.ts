#!/usr/bin/env node
// The `switchyard` command: commands and their flags, nothing else.
import { Command, Option } from "commander";
import { optionTable } from "../config/help.js";
import { benchCommand } from "./bench.js";
import { DOCTOR_HELP, doctor } from "./doctor.js";
import { packageVersion } from "./package.js";
import { type ServeFlags, serve } from "./serve.js";

const program = new Command("switchyard")
  .description("Runs the tool calls of RL rollouts that arrive on gRPC streams")
  .version(packageVersion(), "--version")
  .showHelpAfterError("(switchyard --help lists the commands)");

/** Both commands take the same configuration. */
function configured(name: string, description: string): Command {
  return program
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

function serveFlags({ logLevel, ...rest }: Given): ServeFlags {
  return { ...rest, ...(logLevel !== undefined && { "log-level": logLevel }) };
}

configured("serve", "Start the server")
  .option("--handover", "at SIGTERM, leave containers and trajectories to the next server of this instance")
  .addHelpText("after", () => `\n${optionTable()}`)
  .action((given: Given) => serve(serveFlags(given)));

configured("doctor", "Check whether the server could run here, and say what to do where not")
  .option("--json", "print the checks as a JSON array")
  .addHelpText("after", `\n${DOCTOR_HELP}`)
  .action(({ json, ...given }: Given & { json?: boolean }) =>
    doctor({ ...serveFlags(given), ...(json !== undefined && { json }) }),
  );

program.addCommand(benchCommand());

await program.parseAsync();
