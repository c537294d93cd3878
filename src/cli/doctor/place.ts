// The place that a server would take: its instance name and its address. A server of this instance that runs already is
// no fault of the machine: then both are rightly taken.
import { createServer } from "node:net";
import { holdName } from "../../backend/instance-lock.js";
import { missingProtection } from "../../config/checks.js";
import type { Config } from "../../config/schema.js";
import { isLocalAddress } from "../../core/address.js";
import { messageOf } from "../../core/errors.js";
import { instanceOf } from "../compose.js";
import { type Check, note, ok, problem, warning } from "./check.js";
import { portOwner } from "./port-owner.js";

export async function checkPlace(config: Config): Promise<Check[]> {
  const instance = instanceOf(config);
  const free = await holdName(`instance/${instance}`);
  free?.();
  const runs = free === undefined;
  const found = runs ? `a server of instance ${instance} runs already on this machine` : `${instance} is free`;
  const name = runs
    ? note("instance", found, "to start a second one, give it another --listen, or another `instance`")
    : ok("instance", found);
  return [name, await checkListen(config, runs)];
}

async function checkListen(config: Config, serverRuns: boolean): Promise<Check> {
  const { listen } = config;
  const port = Number(listen.slice(listen.lastIndexOf(":") + 1));
  const host = listen.slice(0, listen.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  const error = await tryListen(host, port);
  if (error === undefined) return freeAddress(config, port);
  if (error.code === "EADDRINUSE") {
    const found = `${listen} is taken, by ${portOwner(port) ?? "a process that this user may not see"}`;
    if (serverRuns) return note("listen", `${found}; the running server, it seems`);
    return problem("listen", found, `end it, or take another address: --listen ${host}:${port + 1}, port 0 for any`);
  }
  return problem("listen", `cannot listen on ${listen}: ${messageOf(error)}`, adviceFor(error.code));
}

/** Free is one thing, who may run commands there another. */
function freeAddress(config: Config, port: number): Check {
  const { listen } = config;
  const found = port === 0 ? `${listen}: the server takes a free port` : `${listen} is free`;
  if (isLocalAddress(listen)) return ok("listen", found);
  const missing = missingProtection(config);
  if (missing.length === 0) return ok("listen", `${found}; other machines need TLS and have to prove who they are`);
  const advice = "set what is missing, listen on 127.0.0.1, or let nobody but your trainers reach it";
  return warning(
    "listen",
    `${found}; whoever reaches it can run commands: there is no ${missing.join(" and no ")}`,
    advice,
  );
}

function adviceFor(code: string | undefined): string {
  switch (code) {
    case "EACCES":
      return "take a port from 1024 up, or run the server as root";
    case "EADDRNOTAVAIL":
      return "this machine does not have that address: `ip address` lists its own";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the host's name cannot be resolved: give an address";
    default:
      return "take another address with --listen";
  }
}

function tryListen(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
