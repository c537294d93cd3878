// What to do about a container that did not start or did not prove its isolation, by what was said about it.
import { OPEN_FILES_MAX } from "../../backend/docker/container-options.js";

export interface Surroundings {
  readonly backend: "docker" | "process";
  readonly image: string;
  readonly runtime: string;
  /** Names, as the daemon gives them; none with the process backend. */
  readonly securityOptions: readonly string[];
}

type Rule = readonly [pattern: RegExp, advice: (where: Surroundings, reason: string) => string];

/** How Node, bubblewrap and the launcher say that a program is not there. */
const PROGRAM = /(?:spawn|execvp|cannot start) (bwrap|perl|bash)\b/;

const RULES: readonly Rule[] = [
  [
    /unknown runtime|no such runtime|invalid runtime/i,
    ({ runtime }) =>
      `add ${runtime} to "runtimes" in /etc/docker/daemon.json and reload dockerd, or set another runtime`,
  ],
  [/no such image/i, ({ image }) => `pull or build ${image} first`],
  [/network .*not found/i, () => "make it: `docker network create NAME`; or set network: none"],
  [/range of cpus/i, () => "lower the pool's `cpus` to what the machine has"],
  [/minimum memory limit/i, () => "raise the pool's `memory_mb`"],
  [/setrlimit (\d+)/, slotLimit],
  [/rlimit/i, () => `raise the open-files limit of dockerd and containerd (LimitNOFILE) to ${OPEN_FILES_MAX} at least`],
  [PROGRAM, missing],
  [/overflowuid/, () => "gVisor does not have what bubblewrap needs: choose isolation: uid or container under it"],
  [/the runner is not root/, () => "run the server as root, or use Docker"],
  [/EINVAL.*chown/, tooFewUsers],
  [/uid map|new namespace|no permissions to create|unshare|clone/i, userNamespaces],
  [/mount|pivot_root|make \/ slave|\/proc/i, mounts],
  [/require_sandbox/, () => "mend what the message names, or turn policy.require_sandbox off"],
  [/did not start within|not ready in time/, () => "the machine is too busy or its disk too slow: try again"],
  [/runner|link/i, () => "see `docker events` and dockerd's log while it starts again"],
];

/** One sentence to follow a message. */
export function explain(reason: string, where: Surroundings): string {
  const found = RULES.find(([pattern]) => pattern.test(reason));
  return found ? found[1](where, reason) : "see the message; `switchyard serve --log-level debug` says more";
}

function missing({ backend, image }: Surroundings, reason: string): string {
  const program = PROGRAM.exec(reason)?.[1] ?? "";
  const name = program === "bwrap" ? "bubblewrap" : program;
  const instead = program === "bwrap" ? ", or choose isolation: uid" : "";
  if (backend === "process") return `install ${name} (Debian: apt install ${name})`;
  return `install ${name} in the image ${image}${instead}`;
}

/** The launcher may only lower what its container, or the server, has; by the kernel's numbers of the limits. */
function slotLimit({ backend }: Surroundings, reason: string): string {
  const number = /setrlimit (\d+)/.exec(reason)?.[1] ?? "";
  const keys: Record<string, string> = { 1: "slot.file_mb", 6: "slot.processes", 7: "slot.open_files" };
  const lower = `lower ${keys[number] ?? "the slot's limit"}`;
  if (backend === "process") return `${lower}, or raise the hard limit that the server is started with (ulimit -H)`;
  return number === "7" ? `${lower}: a container has ${OPEN_FILES_MAX}` : `${lower}, or raise it for dockerd`;
}

/** A user id per slot needs all that a machine has. */
function tooFewUsers({ backend }: Surroundings): string {
  return backend === "docker"
    ? "the daemon has too few user ids for one per slot: use one that is not rootless or remapped, or isolation: container"
    : "this root has too few user ids for one per slot, as in a rootless container: run the server outside, or as another user";
}

function userNamespaces({ backend, securityOptions }: Surroundings): string {
  const kernel = "see kernel.userns above: user namespaces must be open to everybody";
  if (backend === "process") return `${kernel}; inside a container, its seccomp profile must allow them too`;
  return securityOptions.includes("apparmor") ? `${kernel}, and AppArmor must let containers have them` : kernel;
}

function mounts({ securityOptions }: Surroundings): string {
  if (securityOptions.includes("apparmor")) {
    return "AppArmor's profile docker-default forbids mounts, which level namespace is made of: use isolation: uid, or a daemon without AppArmor";
  }
  return "mounts must be allowed: a daemon that is itself in a container needs one without masks over /proc (systempaths=unconfined)";
}
