#!/usr/bin/env node
// The `switchyard` command: commands and their flags, nothing else.
import { Command, Option } from "commander";
import { optionTable } from "../config/help.js";
import { packageVersion } from "./package.js";
import { type ServeFlags, serve } from "./serve.js";

const program = new Command("switchyard")
  .description("Runs the tool calls of RL rollouts that arrive on gRPC streams")
  .version(packageVersion(), "--version")
  .showHelpAfterError("(switchyard --help lists the commands)");

program
  .command("serve")
  .description("Start the server")
  .option("--config <file>", "YAML file with the configuration")
  .option("--listen <host:port>", "address of the gRPC server")
  .addOption(new Option("--backend <backend>", "what makes containers: auto, docker or process"))
  .option("--log-level <level>", "fatal, error, warn, info, debug or trace")
  .addHelpText("after", () => `\n${optionTable()}`)
  .action(async (flags: { config?: string; listen?: string; backend?: string; logLevel?: string }) => {
    const { logLevel, ...rest } = flags;
    await serve({ ...rest, ...(logLevel !== undefined && { "log-level": logLevel }) } satisfies ServeFlags);
  });

await program.parseAsync();
