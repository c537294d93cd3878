// The Docker daemon: whether it answers, what it is, and what its settings mean for us.
import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import { gunzipSync } from "node:zlib";
import type { Engine, EngineFacts } from "../../backend/docker/engine-facts.js";
import { type Check, note, ok, problem, warning } from "./check.js";
import { compareVersions, RUNC_FIXED, runcHoles } from "./versions.js";

/** The oldest that this was tried with. */
const ENGINE_TRIED = "20.10";
const ARCHITECTURE_NAMES: Record<string, string> = { x86_64: "x64", aarch64: "arm64", amd64: "x64" };

/** Where the daemon does not answer. `needed`: the configuration asks for Docker, and not for whatever there is. */
export function checkUnreachable(engine: Engine & { reachable: false }, needed: boolean): Check {
  const found = `no daemon answers at ${engine.address}: ${engine.reason}`;
  if (needed) return problem("docker", found, `${adviceFor(engine)}; or use --backend process`);
  const instead = `${found}; slots would be made by the process backend, on this machine itself`;
  return warning("docker", instead, adviceFor(engine));
}

function adviceFor({ code, address }: Engine & { reachable: false }): string {
  if (code === "EACCES")
    return "add this user to the group docker (which makes it root on this machine), or run as root";
  if (!address.startsWith("unix:")) return "see that DOCKER_HOST names a daemon that runs, or unset it";
  return "start it: `sudo systemctl start docker`; where there is none, `sudo scripts/docker-up` (Debian)";
}

export function checkEngine(address: string, facts: EngineFacts): Check[] {
  return [
    checkDaemon(address, facts),
    checkStorage(facts),
    ok("docker.cgroup", `version ${facts.cgroupVersion}, driver ${facts.cgroupDriver}`),
    checkLiveRestore(facts),
    checkSecurity(facts),
    checkRunc(facts.runc, debianChangelog(facts)),
    ok("docker.containerd", facts.containerd || "version unknown"),
    ok("docker.kernel", facts.kernel),
  ];
}

/** Whether the daemon's kernel is this machine's, so that /proc tells of both. */
export function isSameMachine(facts: EngineFacts): boolean {
  return facts.kernel === release();
}

function checkDaemon(address: string, facts: EngineFacts): Check {
  const { version, apiVersion, osType, architecture } = facts;
  const found = `version ${version}, API ${apiVersion}, ${osType} ${architecture}, at ${address}`;
  if (osType !== "linux") return problem("docker", found, "switch the daemon to Linux containers");
  if ((ARCHITECTURE_NAMES[architecture] ?? architecture) !== arch()) {
    const why = `containers get this server's own Node, which is for ${arch()}`;
    return problem("docker", `${found}: ${why}`, "use a daemon on a machine of the server's kind");
  }
  if (compareVersions(version, ENGINE_TRIED) >= 0) return ok("docker", found);
  return warning("docker", found, `older than ${ENGINE_TRIED}, the oldest that this was tried with: update it`);
}

function checkStorage({ storageDriver, backingFileSystem }: EngineFacts): Check {
  const found = `${storageDriver}${backingFileSystem && `, on ${backingFileSystem}`}`;
  if (storageDriver !== "vfs") return ok("docker.storage", found);
  const advice = "use overlay2: vfs copies the whole image for each container";
  return warning("docker.storage", `${found}: containers start slowly and fill the disk`, advice);
}

function checkLiveRestore({ liveRestore }: EngineFacts): Check {
  if (liveRestore)
    return ok("docker.live_restore", "on; still, a restart of dockerd cuts every runner's link: calls end LOST");
  const found = "off: a restart of dockerd ends every container, and the calls in them end LOST";
  return note("docker.live_restore", found, "restart dockerd only while no server runs");
}

function checkSecurity({ securityOptions }: EngineFacts): Check {
  const name = "docker.security";
  const found = securityOptions.join(", ") || "none";
  const remapped = securityOptions.find((option) => option === "rootless" || option === "userns");
  if (remapped !== undefined) {
    const why = "a container then has too few user ids for one per slot: levels namespace and uid are expected to fail";
    return warning(name, `${found}: ${why}`, "use a daemon without it, or isolation: container");
  }
  if (!securityOptions.includes("seccomp")) {
    return warning(
      name,
      `${found}: no seccomp, so nothing filters system calls`,
      "use a kernel and a Docker with seccomp",
    );
  }
  return ok(name, found);
}

/** `1.1.12-0ubuntu2`, `1.1.5+ds1-1+deb12u1`; but runc's own builds are `v1.3.3-0-gd842d771`. */
const PACKAGED = /^v?[\d.]+([+~]|-(?!rc|0-g))/;

/** `changelog` is that of the very package, where it can be had. */
export function checkRunc(version: string, changelog: string | undefined): Check {
  const name = "docker.runc";
  if (!/^v?\d/.test(version)) return note(name, "version unknown", `see that it is ${RUNC_FIXED} at least`);
  const byNumber = runcHoles(version);
  const mended = byNumber.filter((cve) => changelog?.includes(cve));
  const open = byNumber.filter((cve) => !mended.includes(cve));
  const known = mended.length > 0 ? `; its changelog names ${mended.join(", ")} as mended` : "";
  if (open.length === 0) return ok(name, `${version}${known}`);
  const found = `${version}, which by its number has ${open.join(", ")} (ways out of a container)${known}`;
  const upgrade = `update runc to ${RUNC_FIXED} at least`;
  if (!PACKAGED.test(version)) return warning(name, found, upgrade);
  const tell = "a distribution mends old numbers, so the number alone cannot tell";
  return warning(name, found, `${tell}: look in its security advisories; if it is not mended there, ${upgrade}`);
}

/** Debian's packages list what they mended; only that of the version which the daemon runs counts. */
function debianChangelog(facts: EngineFacts): string | undefined {
  if (!isSameMachine(facts)) return undefined;
  for (const file of ["changelog.Debian.gz", "changelog.Debian.amd64.gz", "changelog.Debian.arm64.gz"]) {
    try {
      const text = gunzipSync(readFileSync(`/usr/share/doc/runc/${file}`)).toString("utf8");
      if (text.startsWith(`runc (${facts.runc.replace(/\+b\d+$/, "")})`)) return text;
    } catch {
      // There is no such package here.
    }
  }
  return undefined;
}
