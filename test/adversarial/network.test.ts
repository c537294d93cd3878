// The network that a slot must not have: the internet, the cloud's metadata service, the Docker host and its daemon, the
// Switchyard server itself. A listener of the attacker's own is reached the same way, or the attack proves nothing.
import assert from "node:assert/strict";
import { attack, seconds } from "../support/attack.js";

const UNREACHABLE = {
  namespace: "unreachable",
  uid: "unreachable",
  container: "unreachable",
  "container (runsc)": "unreachable",
};

/** Prints what answers, of `host port` pairs and socket paths. */
function knock(targets: readonly string[]): string {
  return `
import os, socket, sys
own = socket.create_server(("127.0.0.1", 0))
def tcp(host, port):
    try: socket.create_connection((host, port), 3).close()
    except OSError as error: return print(f"{host}: {error}", file=sys.stderr)
    print("reached", host)
tcp("127.0.0.1", own.getsockname()[1])
for target in ${JSON.stringify(targets)}:
    host, port = target.rsplit(":", 1)
    tcp(host, int(port))
for kind, target in ((socket.SOCK_DGRAM, ("8.8.8.8", 53)), (socket.SOCK_DGRAM, ("169.254.169.254", 123))):
    try:
        socket.socket(socket.AF_INET, kind).sendto(b"x", target)
        print("sent", target)
    except OSError: pass
for kind, protocol in ((socket.SOCK_RAW, socket.IPPROTO_ICMP),):
    try: socket.socket(socket.AF_INET, kind, protocol).sendto(b"x", ("8.8.8.8", 0)); print("sent raw")
    except OSError: pass
`;
}

attack({
  name: "the internet, the metadata service 169.254.169.254, the Docker host, the server's own port",
  expected: UNREACHABLE,
  run: async (arena) => {
    const port = arena.live.address.split(":").at(-1);
    const hosts = ["1.1.1.1:443", "169.254.169.254:80", "100.100.100.200:80", "172.17.0.1:22", "172.17.0.1:2375"];
    const targets = [
      ...hosts,
      `172.17.0.1:${port}`,
      `127.0.0.1:${port}`,
      "localhost:2375",
      "metadata.google.internal:80",
    ];
    const output = await arena.program("python3 2>/dev/null", knock(targets), { timeout: seconds(90) });
    const [own, ...others] = output.split("\n");
    assert.equal(own, "reached 127.0.0.1", "cannot reach its own listener");
    return others.length === 0 ? "unreachable" : others.join();
  },
});

attack({
  name: "the Docker daemon's socket and other sockets of the host",
  expected: UNREACHABLE,
  run: async (arena) => {
    const output = await arena.program(
      "python3",
      `
import glob, os, re, socket
own = socket.socket(socket.AF_UNIX)
own.bind("own.sock")
own.listen()
paths = {"own.sock"} | set(glob.glob("/run/**/*.sock", recursive=True)) | set(glob.glob("/var/run/**/*.sock", recursive=True))
paths |= {root + name for root in ["", *glob.glob("/proc/[0-9]*/root")] for name in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock")}
paths |= {"\\0" + name for name in re.findall("@(\\\\S+)", open("/proc/net/unix").read())}
paths |= {"\\0switchyard/instance/" + name for name in ("${arena.live.instance}", "127.0.0.1-50051")}
for path in paths:
    try: socket.socket(socket.AF_UNIX).connect(path)
    except OSError: continue
    print("reached", path)
`,
    );
    const reached = output.split("\n").filter((line) => line !== "reached own.sock");
    assert.match(output, /^reached own.sock$/m);
    return reached.length === 0 ? "unreachable" : reached.join();
  },
});
