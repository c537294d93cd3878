// The self-test by the real thing: a container of the backend with the settings of a pool, its runner's proof, and one call
// in one of its slots. Invariant: when a trial has ended its container is gone.
import { randomBytes } from "node:crypto";
import { pino } from "pino";
import type { Backend, Isolation } from "../../backend/backend.js";
import { DockerBackend } from "../../backend/docker/docker-backend.js";
import { ProcessBackend } from "../../backend/process/process-backend.js";
import { UidBlock } from "../../backend/uid-block.js";
import { messageOf } from "../../core/errors.js";
import type { poolSettings } from "../backend.js";

export type TrialSettings = ReturnType<typeof poolSettings>;

export type Trial =
  | { readonly works: true; readonly isolation: Isolation; readonly networkIsolated: boolean; readonly seconds: number }
  | { readonly works: false; readonly reason: string };

/** A runner of ours ends by itself so soon after the doctor was killed. */
const GRACE_S = 60;
const TRIAL_MS_MAX = 60_000;
const CALL_TIMEOUT_S = 20;
const COMMAND = "echo alive";

export class Trials {
  private constructor(
    private readonly backend: Backend,
    private readonly uids: UidBlock,
    private readonly signal: AbortSignal,
  ) {}

  /** Rejects when the backend cannot start; the image that it builds, and the runtime volume, stay for the server. */
  static async on(
    kind: "docker" | "process",
    settings: ReadonlyMap<string, TrialSettings>,
    signal: AbortSignal,
  ): Promise<Trials> {
    const uids = await UidBlock.claim();
    const pools = new Map([...settings].map(([name, pool]) => [name, { ...pool, graceS: GRACE_S }]));
    // A name of its own, so that nothing of a server that runs is touched.
    const options = {
      instance: `doctor-${randomBytes(6).toString("hex")}`,
      pools,
      uids,
      log: pino({ level: "silent" }),
      onFenced: () => undefined,
    };
    const backend = kind === "docker" ? new DockerBackend(options) : new ProcessBackend(options);
    try {
      await backend.start();
    } catch (error) {
      uids.release();
      throw error;
    }
    return new Trials(backend, uids, signal);
  }

  async try(name: string): Promise<Trial> {
    const beganMs = performance.now();
    const late = AbortSignal.timeout(TRIAL_MS_MAX);
    try {
      const either = AbortSignal.any([late, this.signal]);
      // What it leaves, `close` tries to remove once more.
      const container = await this.backend.startContainer(name, either, () => undefined);
      try {
        await oneCall(container.runner);
        const { isolation, networkIsolated } = container.runner;
        return { works: true, isolation, networkIsolated, seconds: (performance.now() - beganMs) / 1000 };
      } finally {
        await container.destroy();
      }
    } catch (error) {
      this.signal.throwIfAborted();
      const reason = late.aborted ? `did not start within ${TRIAL_MS_MAX / 1000} s` : withoutBackend(messageOf(error));
      return { works: false, reason };
    }
  }

  async close(): Promise<void> {
    await this.backend.close();
    this.uids.release();
  }
}

/** Which one it was is known. */
function withoutBackend(message: string): string {
  return message.replace(/^(docker|process): /, "").trim();
}

async function oneCall(runner: Awaited<ReturnType<Backend["startContainer"]>>["runner"]): Promise<void> {
  await runner.openSlot(0);
  const call = { slot: 0, uniqId: "doctor", digest: "", forStream: false, context: "" };
  let failure = "the call did not finish";
  const batch = runner.runBatch(
    [{ ...call, operation: { kind: "bash", command: COMMAND } }],
    CALL_TIMEOUT_S,
    (_, end) => {
      failure = end.status === "OK" ? "" : `a call ended ${end.status}: ${end.error} ${end.output}`.trim();
    },
  );
  await batch.done;
  if (failure) throw new Error(failure);
}
