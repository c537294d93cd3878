// What containers are made of: images, runtimes and the runtime volume with Docker; programs of this machine without.
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { promisify } from "node:util";
import { type EngineFacts, lookUpImage, lookUpRuntimeVolume } from "../../backend/docker/engine-facts.js";
import type { Config } from "../../config/schema.js";
import { messageOf } from "../../core/errors.js";
import { type Check, ok, problem, warning } from "./check.js";

/** Where runners look for programs, whatever the server's own PATH. */
const SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** A shim that containerd finds by itself is in no daemon's list. */
const SHIM = /^io\.containerd\./;

export async function checkImage(pool: string, image: string): Promise<Check> {
  const name = `pools.${pool}.image`;
  switch (await lookUpImage(image)) {
    case "there":
      return ok(name, image);
    case "buildable":
      return ok(name, `${image} is not there; the server builds it, and so do the trials below (a minute, once)`);
    case "missing":
      return problem(name, `${image} is not there`, `docker pull ${image}, or build it; the server does neither`);
  }
}

export function checkRuntime(pool: string, runtime: string, { runtimes }: EngineFacts): Check {
  const name = `pools.${pool}.runtime`;
  if (runtimes.has(runtime) || SHIM.test(runtime)) return ok(name, runtime);
  const known = [...runtimes.keys()].filter((key) => !SHIM.test(key)).join(", ");
  const advice = `choose one of ${known}, or add it to "runtimes" in /etc/docker/daemon.json and reload dockerd`;
  return problem(name, `${runtime} is no runtime of this daemon`, advice);
}

export async function checkRuntimeVolume(): Promise<Check> {
  const name = "docker.runtime_volume";
  try {
    const volume = await lookUpRuntimeVolume();
    return ok(name, volume.name ?? `none has the content ${volume.digest} yet; the trials below make one, once`);
  } catch (error) {
    return problem(
      name,
      messageOf(error),
      "it is made of this server's Node, its libraries (by ldd) and dist/runner.mjs",
    );
  }
}

/** Of the process backend. */
export async function checkPrograms({ pools }: Pick<Config, "pools">): Promise<Check[]> {
  const isNeeded = Object.values(pools).some(({ isolation }) => isolation === "namespace");
  const bubblewrap = await findProgram("bwrap", "bubblewrap", (found, advice) =>
    isNeeded
      ? problem("programs.bwrap", found, advice)
      : warning("programs.bwrap", `${found}: no level namespace`, advice),
  );
  const others = ["bash", "perl"].map((program) =>
    findProgram(program, program, (found, advice) => problem(`programs.${program}`, found, advice)),
  );
  return [bubblewrap, ...(await Promise.all(others))];
}

async function findProgram(
  program: string,
  debianPackage: string,
  otherwise: (found: string, advice: string) => Check,
): Promise<Check> {
  const path = SEARCH_PATH.split(":")
    .map((folder) => `${folder}/${program}`)
    .find(isExecutable);
  if (path === undefined) {
    return otherwise(`${program} is not in ${SEARCH_PATH}`, `install it (Debian: apt install ${debianPackage})`);
  }
  return ok(`programs.${program}`, `${path}${await versionOf(path)}`);
}

/** Each of the three answers `--version`, with a number in it. */
async function versionOf(path: string): Promise<string> {
  const answer = await promisify(execFile)(path, ["--version"]).catch(() => undefined);
  const version = /\d+\.\d+(\.\d+)?/.exec(answer?.stdout ?? "")?.[0];
  return version ? `, version ${version}` : "";
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
