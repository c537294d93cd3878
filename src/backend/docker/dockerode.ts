// Docker's API as dockerode has it, at the daemon that DOCKER_HOST names. The build puts dockerode itself into this file
// (scripts/bundle.mjs), so only this one imports more of it than types.
import Docker from "dockerode";
import { SwitchyardError } from "../../core/errors.js";

/** Throws BACKEND_UNAVAILABLE where DOCKER_HOST is ssh://: dockerode fails at it with an error that nobody can catch. */
export function dockerClient(options: Docker.DockerOptions = {}): Docker {
  if (/^ssh:/i.test(process.env.DOCKER_HOST ?? "")) {
    throw new SwitchyardError(
      "BACKEND_UNAVAILABLE",
      "DOCKER_HOST=ssh://… is not spoken here; forward the daemon's socket with `ssh -nNT -L " +
        "/tmp/docker.sock:/var/run/docker.sock USER@HOST` and set DOCKER_HOST=unix:///tmp/docker.sock",
    );
  }
  return new Docker(options);
}
