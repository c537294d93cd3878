// The real servers that all clients of a run talk to, an open one and one with TLS and tokens: Docker where a daemon answers,
// else the process backend, which CI does not put up with.
import Docker from "dockerode";
import { CertificateMaker } from "../support/certificates.js";
import { newInstance, removeContainersOf } from "../support/docker-engine.js";
import { ServerProcess } from "../support/server-process.js";
import { authOf, newToken, tokenOf } from "../support/tokens.js";

/** Large enough for results of nearly 1 MiB. */
const SETTINGS = {
  output: { chars_max: 200_000 },
  files: { bytes_max: 700_000 },
  pools: { default: { slots_per_container: 20, max_containers: 5 } },
};
/** As the table has it. */
const OTHER_TOKEN = "polyglot-other-token";

export interface Service {
  readonly address: string;
  readonly backend: "docker" | "process";
  /** What a client needs to talk to it. */
  readonly flags: readonly string[];
  close(): Promise<void>;
}

/** With a certificate of a CA of its own, and two tokens. */
export async function startSecureService(): Promise<Service> {
  const cleanups: (() => void)[] = [];
  const maker = new CertificateMaker({ after: (cleanup) => void cleanups.push(cleanup) });
  const { certFile, keyFile } = maker.issue("server");
  const token = newToken("trainer");
  const service = await startService({
    ...authOf(token, tokenOf("other", OTHER_TOKEN)),
    tls: { cert: certFile, key: keyFile },
    pools: { default: { slots_per_container: 4, max_containers: 1 } },
  });
  return {
    ...service,
    flags: [...service.flags, "--ca", maker.caFile, "--token", token.text],
    close: async () => {
      await service.close();
      for (const cleanup of cleanups) cleanup();
    },
  };
}

export async function startService(settings: object = {}): Promise<Service> {
  const backend = (await dockerAnswers()) ? "docker" : "process";
  if (backend === "process") {
    if (process.env.CI) throw new Error("no Docker daemon answers; scripts/docker-up starts one");
    console.log("no Docker daemon answers: the server uses the process backend");
  }
  const cleanups: (() => void)[] = [];
  const scope = { after: (cleanup: () => void) => void cleanups.push(cleanup) };
  const instance = newInstance();
  const server = new ServerProcess(scope, { instance, ...SETTINGS, ...settings }, { backend });
  const { address } = await server.ready;
  return {
    address,
    backend,
    flags: ["--address", address],
    close: async () => {
      const { code, stderr } = await server.kill("SIGTERM");
      for (const cleanup of cleanups) cleanup();
      if (backend === "docker") await removeContainersOf(instance);
      if (code !== 0) throw new Error(`after SIGTERM the server ended with ${code}:\n${stderr.slice(-4000)}`);
    },
  };
}

async function dockerAnswers(): Promise<boolean> {
  try {
    await new Docker({ timeout: 10_000 }).ping();
    return true;
  } catch {
    return false;
  }
}
