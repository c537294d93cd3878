#!/usr/bin/env node
// The `switchyard` command: commands and their flags, nothing else.
import { Command, Option } from "commander";
import { optionTable } from "../config/help.js";
import { packageVersion } from "./package.js";
import { type ServeFlags, serve } from "./serve.js";

interface ServeOptions {
  config?: string;
  listen?: string;
  backend?: string;
  logLevel?: string;
  handover?: boolean;
}

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
  .option("--handover", "at SIGTERM, leave containers and trajectories to the next server of this instance")
  .addHelpText("after", () => `\n${optionTable()}`)
  .action(async (flags: ServeOptions) => {
    const { logLevel, handover, ...rest } = flags;
    const renamed = { ...(logLevel && { "log-level": logLevel }), ...(handover && { handover }) };
    await serve({ ...rest, ...renamed } satisfies ServeFlags);
  });

await program.parseAsync();
