// Every check in its order; each comes when it is made. What cannot be looked at because of an earlier problem is left out.
import { type EngineFacts, readEngine } from "../../backend/docker/engine-facts.js";
import { loadConfig, type Sources } from "../../config/load.js";
import type { Config } from "../../config/schema.js";
import { messageOf } from "../../core/errors.js";
import { checkCertificates } from "./certificates.js";
import { type Check, ok, problem } from "./check.js";
import { checkEngine, checkUnreachable, isSameMachine } from "./engine.js";
import { checkIsolation } from "./isolation.js";
import { checkDockerLimits, checkProcessLimits } from "./limits.js";
import { checkNode, checkPlatform, checkUser, checkUserNamespaces } from "./machine.js";
import { checkPlace } from "./place.js";
import { checkImage, checkPrograms, checkRuntime, checkRuntimeVolume } from "./supplies.js";

/** Ends early, by rejecting, when `signal` aborts; then nothing is left behind either. */
export async function* examine(sources: Sources, signal: AbortSignal): AsyncGenerator<Check> {
  yield checkNode();
  yield checkPlatform();
  let config: Config;
  try {
    config = loadConfig(sources);
  } catch (error) {
    yield problem("config", messageOf(error), "`switchyard serve --help` lists every option");
    return;
  }
  yield ok("config", describe(config, sources.file));
  yield* await checkPlace(config);
  yield* await checkCertificates(config);
  if (config.backend === "process") {
    yield* examineProcess(config, signal);
    return;
  }
  const engine = await readEngine();
  signal.throwIfAborted();
  if (engine.reachable) {
    yield* examineDocker(config, engine.address, engine.facts, signal);
    return;
  }
  yield checkUnreachable(engine, config.backend === "docker");
  if (config.backend === "auto") yield* examineProcess(config, signal);
}

function describe({ backend, pools }: Config, file = "no file"): string {
  return `${file}; backend ${backend}; pools: ${Object.keys(pools).join(", ")}`;
}

async function* examineDocker(config: Config, address: string, facts: EngineFacts, signal: AbortSignal) {
  yield checkUser("docker");
  yield* checkEngine(address, facts);
  if (isSameMachine(facts)) yield checkUserNamespaces();
  const hopeless = new Set<string>();
  for (const [name, { image, runtime }] of Object.entries(config.pools)) {
    for (const check of [await checkImage(name, image), checkRuntime(name, runtime, facts)]) {
      if (check.verdict === "problem") hopeless.add(name);
      yield check;
    }
  }
  const volume = await checkRuntimeVolume();
  yield volume;
  yield* checkDockerLimits(config.pools, facts);
  if (volume.verdict === "problem") return;
  yield* checkIsolation({ config, backend: "docker", hopeless, securityOptions: facts.securityOptions, signal });
}

async function* examineProcess(config: Config, signal: AbortSignal) {
  yield checkUser("process");
  yield checkUserNamespaces();
  yield* await checkPrograms(config);
  yield* checkProcessLimits(config.pools);
  yield* checkIsolation({ config, backend: "process", hopeless: new Set(), securityOptions: [], signal });
}
