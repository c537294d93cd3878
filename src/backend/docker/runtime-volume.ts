// The read-only volume that brings the runner into any image. Servers that share a daemon, also of different versions, share
// it by its content, and do not wait for each other: each fills a volume of its own where none is ready, through a
// container that is never started (its carrier). Invariant: a volume is used only if its mark, an empty volume beside it,
// says that it was filled to the end; and one that Docker made by itself, because ours was pruned, has no label of ours.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { messageOf, SwitchyardError } from "../../core/errors.js";
import type { Logger } from "../../core/log.js";
import { statusCode } from "./image.js";
import { RUNTIME_FOLDER, type RuntimeFile, type RuntimeFiles, readRuntimeFiles } from "./runtime-files.js";
import { type ListedVolume, markOf, runtimeLeftovers } from "./runtime-leftovers.js";

/** On volumes and their marks: the content's digest. */
const VOLUME_LABEL = "switchyard.runtime";
/** On carriers: the volume. */
const CARRIER_LABEL = "switchyard.runtime.carrier";
const FILL_MS_MAX = 300_000;

export interface RuntimeDaemon {
  readonly docker: Docker;
  /** For what rightly takes long. */
  readonly patientDocker: Docker;
}

export class RuntimeVolume {
  #digest: Promise<string> | undefined;
  #ensuring: Promise<string> | undefined;

  constructor(
    private readonly daemon: RuntimeDaemon,
    /** Any image that the daemon has. */
    private readonly image: string,
  ) {}

  /** Names the content, whatever volume has it. */
  digest(): Promise<string> {
    this.#digest ??= readRuntimeFiles().then(({ digest }) => digest);
    return this.#digest;
  }

  /** Makes one unless there is one; resolves with its name. To be asked before every use, since anybody may prune volumes. */
  ensure(): Promise<string> {
    this.#ensuring ??= this.#ensure().finally(() => {
      this.#ensuring = undefined;
    });
    return this.#ensuring;
  }

  /** Removes what servers of other versions, and those that were killed while they filled one, have left. Never rejects. */
  async tidy(keep: string, nowMs: number, log: Logger): Promise<void> {
    const { docker } = this.daemon;
    try {
      const label = [VOLUME_LABEL];
      const volumes = await listVolumes(docker, { label });
      const unused = new Set((await listVolumes(docker, { label, dangling: ["true"] })).map(({ Name }) => Name));
      const filters = JSON.stringify({ label: [CARRIER_LABEL] });
      const carriers = await docker.listContainers({ all: true, filters });
      const left = runtimeLeftovers({ volumes, unused, carriers }, keep, nowMs);
      for (const id of left.carriers) await unlessGone(docker.getContainer(id).remove({ force: true }));
      for (const name of left.volumes) await unlessGone(docker.getVolume(name).remove());
      if (left.volumes.length > 0) log.info({ volumes: left.volumes }, "runtime volumes that nobody used are removed");
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "runtime volumes that nobody uses could not be removed");
    }
  }

  async #ensure(): Promise<string> {
    const digest = await this.digest();
    const found = await findFilled(this.daemon.docker, digest);
    if (found !== undefined) return found;
    const now = await readRuntimeFiles();
    if (now.digest === digest) return this.#fill(now);
    const why = "the runtime volume is gone, and this server's own files are others by now; restart the server";
    throw new SwitchyardError("BACKEND_UNAVAILABLE", why);
  }

  async #fill({ digest, files }: RuntimeFiles): Promise<string> {
    const { docker } = this.daemon;
    const name = `switchyard-runtime-${digest}-${randomBytes(4).toString("hex")}`;
    const Labels = { [VOLUME_LABEL]: digest };
    await docker.createVolume({ Name: name, Labels });
    try {
      await this.#carry(name, files);
      await docker.createVolume({ Name: markOf(name), Labels });
    } catch (error) {
      await docker
        .getVolume(name)
        .remove()
        .catch(() => undefined);
      throw error;
    }
    return name;
  }

  async #carry(name: string, files: readonly RuntimeFile[]): Promise<void> {
    const { docker, patientDocker } = this.daemon;
    const { id } = await docker.createContainer({
      Image: this.image,
      Cmd: ["/never-started"],
      Labels: { [CARRIER_LABEL]: name },
      HostConfig: { Mounts: [{ Type: "volume", Source: name, Target: RUNTIME_FOLDER }], NetworkMode: "none" },
    });
    try {
      const archive = await archiveOf(files);
      const options = { path: RUNTIME_FOLDER, abortSignal: AbortSignal.timeout(FILL_MS_MAX) };
      await patientDocker.getContainer(id).putArchive(Readable.from(archive), options);
    } finally {
      await unlessGone(docker.getContainer(id).remove({ force: true }));
    }
  }
}

/** Whole before it is sent, so that what Docker says no with is heard. */
async function archiveOf(files: readonly RuntimeFile[]): Promise<ReturnType<typeof pack>> {
  const archive = pack();
  archive.entry({ name: "lib", type: "directory", mode: 0o755 });
  for (const { name, source } of files) archive.entry({ name, mode: 0o755 }, await readFile(source));
  archive.finalize();
  return archive;
}

/** The content that this server needs, and whether the daemon has it. */
export async function findRuntimeVolume(docker: Docker): Promise<{ digest: string; name: string | undefined }> {
  const { digest } = await readRuntimeFiles();
  return { digest, name: await findFilled(docker, digest) };
}

async function findFilled(docker: Docker, digest: string): Promise<string | undefined> {
  const found = await listVolumes(docker, { label: [`${VOLUME_LABEL}=${digest}`] });
  const names = new Set(found.map(({ Name }) => Name));
  // The first, so that all servers choose the same of several.
  return [...names].sort().find((name) => names.has(markOf(name)));
}

async function listVolumes(docker: Docker, filters: Record<string, string[]>): Promise<readonly ListedVolume[]> {
  // A daemon that has none may say null.
  const answer: { Volumes: ListedVolume[] | null } = await docker.listVolumes({ filters: JSON.stringify(filters) });
  return answer.Volumes ?? [];
}

/** What is gone, or is used after all, is no failure. */
async function unlessGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    const code = statusCode(error);
    if (code !== 404 && code !== 409) throw error;
  }
}
