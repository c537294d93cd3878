// Makes sure that a pool's image is there. Our own default image is built from docker/sandbox when it is missing; any other
// is the operator's to provide.
import type Docker from "dockerode";
import { messageOf, SwitchyardError } from "../../core/errors.js";
import type { Logger } from "../../core/log.js";
import { packageFile } from "../package-files.js";

/** The one image that the server can make itself. */
export const DEFAULT_IMAGE = "switchyard-sandbox:latest";

export async function ensureImage(
  docker: Docker,
  image: string,
  log: Logger,
  onProgress?: (text: string) => void,
): Promise<void> {
  if (await hasImage(docker, image)) return;
  if (image !== DEFAULT_IMAGE) {
    throw new SwitchyardError("BACKEND_UNAVAILABLE", `image ${image} is not there; pull or build it first`);
  }
  log.info({ image }, "building the sandbox image; this happens once and takes a minute");
  const folder = packageFile("docker", "sandbox");
  try {
    const progress = await docker.buildImage(
      { context: folder, src: ["Dockerfile"] },
      { t: image, networkmode: "host" },
    );
    await new Promise<void>((resolve, reject) => {
      const over = (error: Error | null, output: { error?: string }[]) => {
        const failed = error ?? output.find((line) => line.error)?.error;
        if (failed) reject(failed instanceof Error ? failed : new Error(failed));
        else resolve();
      };
      const went = ({ stream = "" }: { stream?: string }) => {
        const step = buildStep(stream);
        if (step !== undefined) onProgress?.(`building ${image}: ${step}`);
      };
      docker.modem.followProgress(progress, over, went);
    });
  } catch (error) {
    const why = `cannot build ${image} from ${folder}: ${messageOf(error)}`;
    throw new SwitchyardError(
      "BACKEND_UNAVAILABLE",
      `${why}; without a registry, run ${packageFile("scripts", "docker-up")}`,
      {
        cause: error,
      },
    );
  }
}

/** `step 3 of 7`, where a line of the engine's begins one. */
export function buildStep(line: string): string | undefined {
  const [, at, of] = /^Step (\d+)\/(\d+) : /.exec(line) ?? [];
  return at && of && `step ${at} of ${of}`;
}

export async function hasImage(docker: Docker, image: string): Promise<boolean> {
  try {
    await docker.getImage(image).inspect();
    return true;
  } catch (error) {
    if (statusCode(error) === 404) return false;
    throw error;
  }
}

/** HTTP status of an answer of the Docker API that was an error. */
export function statusCode(error: unknown): number | undefined {
  const code = typeof error === "object" && error !== null && "statusCode" in error ? error.statusCode : undefined;
  return typeof code === "number" ? code : undefined;
}
