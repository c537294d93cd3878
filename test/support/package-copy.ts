// A copy of this package whose runner is another by a comment: a server started from it needs a runtime volume that no other
// server has.
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { docker, eventually } from "./docker-engine.js";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const LABEL = "switchyard.runtime";

interface TestScope {
  after(cleanUp: () => Promise<void>): void;
}

export interface PackageCopy {
  /** Its `switchyard` command. */
  readonly command: string;
  /** The runtime volumes that its servers made. */
  volumes(): Promise<readonly string[]>;
  /** Resolves when one of them is being filled. */
  filling(): Promise<void>;
}

/** Goes after the test, with the volumes that its servers made. */
export async function copyPackage(test: TestScope): Promise<PackageCopy> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-copy-"));
  for (const part of ["dist", "docker", "package.json", "proto"]) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  appendFileSync(join(folder, "dist", "runner.mjs"), `\n// ${folder} ${Date.now()}\n`);
  const { volumes, remove } = await newRuntimeVolumes();
  test.after(async () => {
    rmSync(folder, { recursive: true });
    await remove();
  });
  return {
    command: join(folder, "dist", "src", "cli", "main.js"),
    volumes,
    filling: async () => {
      const carriersOf = (name: string) => containersWith("label", `${LABEL}.carrier=${name}`);
      await eventually("a volume is being filled", async () => {
        const carriers = await Promise.all((await volumes()).map(carriersOf));
        return carriers.flat().length > 0;
      });
    },
  };
}

/** Those that servers make from now on, and what removes them with the containers that have them. */
export async function newRuntimeVolumes() {
  const before = new Set(await runtimeVolumes());
  const volumes = async () => (await runtimeVolumes()).filter((name) => !before.has(name)).sort();
  const remove = async () => {
    for (const name of await volumes()) {
      for (const id of await containersWith("volume", name))
        await docker.getContainer(id).remove({ force: true, v: true });
      await docker.getVolume(name).remove();
    }
  };
  return { volumes, remove };
}

async function runtimeVolumes(): Promise<string[]> {
  const filters = JSON.stringify({ label: [LABEL] });
  const { Volumes } = await docker.listVolumes({ filters });
  return (Volumes ?? []).map(({ Name }) => Name);
}

async function containersWith(filter: "volume" | "label", value: string): Promise<string[]> {
  const filters = JSON.stringify({ [filter]: [value] });
  return (await docker.listContainers({ all: true, filters })).map(({ Id }) => Id);
}
