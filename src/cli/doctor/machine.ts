// The machine that the server runs on: Node, platform, user, and what the kernel allows to those who are not root.
import { arch, platform, release, userInfo } from "node:os";
import { nodeVersionMin } from "../package.js";
import { type Check, note, ok, problem, warning } from "./check.js";
import { sysctl } from "./proc.js";
import { compareVersions } from "./versions.js";

/** What the launcher knows the system calls of. */
const ARCHITECTURES = ["x64", "arm64"];

export function checkNode(version = process.versions.node, min = nodeVersionMin()): Check {
  const found = `${version}, at ${process.execPath}`;
  if (compareVersions(version, min) >= 0) return ok("node", found);
  return problem("node", found, `install Node ${min} or newer`);
}

export function checkPlatform(system: string = platform(), machine: string = arch()): Check {
  const found = `${system} ${release()}, ${machine}`;
  if (system !== "linux")
    return problem("platform", found, "run the server on Linux: in a virtual machine, for instance");
  if (ARCHITECTURES.includes(machine)) return ok("platform", found);
  return problem("platform", found, `run it on one of ${ARCHITECTURES.join(", ")}: slots are untried on others`);
}

/** With Docker all that counts is who may speak to the daemon, which its own check says. */
export function checkUser(backend: "docker" | "process"): Check {
  const uid = process.getuid?.();
  const found = `uid ${uid}${nameOfUser()}`;
  if (uid === 0 || backend === "docker") return ok("user", found);
  return note(
    "user",
    `${found}: the process backend cannot give each slot a user of its own, so there is no level uid, and a sandbox's processes and files are this user's`,
    "run the server as root for a host uid per slot, or use Docker",
  );
}

/** Containers often run users that no file names. */
function nameOfUser(): string {
  try {
    return ` (${userInfo().username})`;
  } catch {
    return "";
  }
}

/** Level namespace is made of user namespaces of people who are not root. */
export function checkUserNamespaces(read = sysctl): Check {
  const name = "kernel.userns";
  const off = "level namespace cannot work";
  if (read("user.max_user_namespaces") === 0) {
    return warning(name, `user.max_user_namespaces is 0: ${off}`, "sysctl -w user.max_user_namespaces=65536");
  }
  if (read("kernel.unprivileged_userns_clone") === 0) {
    return warning(
      name,
      `kernel.unprivileged_userns_clone is 0: ${off}`,
      "sysctl -w kernel.unprivileged_userns_clone=1",
    );
  }
  if (read("kernel.apparmor_restrict_unprivileged_userns") === 1) {
    return note(
      name,
      "kernel.apparmor_restrict_unprivileged_userns is 1: only programs with an AppArmor profile that says so get them",
      "if level namespace fails below: an AppArmor profile for bwrap with `userns,`, or the sysctl at 0",
    );
  }
  const max = read("user.max_user_namespaces");
  return ok(name, `everybody may make user namespaces${max === undefined ? "" : ` (${max} at most)`}`);
}
