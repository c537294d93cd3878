// The one description of the configuration: types, defaults, ranges and the words that --help prints all come from here.
// Names are the same in the YAML file and in code; a unit comes last in a name.
import { z } from "zod";
import { ID_PATTERN } from "../core/call.js";
import { auth } from "./auth-schema.js";
import { MCP_SERVER_NAME, mcpServer, toolServer, tools } from "./external-schema.js";
import { flag, number, pattern, seconds, text, whole } from "./fields.js";
import { tracing } from "./tracing-schema.js";

const HOST_PORT = /^(\[[0-9A-Fa-f:.%]+\]|[^\s:[\]/]+):\d{1,5}$/;

/** An address, or "" when `optional`. */
function address(fallback: string, optional: boolean, description: string): z.ZodDefault<z.ZodString> {
  return z
    .string()
    .refine((value) => (optional && value === "") || isAddress(value))
    .default(fallback)
    .meta({ description, expects: `HOST:PORT with a port from 0 to 65535${optional ? ', or ""' : ""}` });
}

function isAddress(value: string): boolean {
  return HOST_PORT.test(value) && Number(value.slice(value.lastIndexOf(":") + 1)) <= 65_535;
}

const workspace = z.strictObject({
  medium: z
    .enum(["disk", "memory"])
    .default("disk")
    .meta({ description: "Where workspaces live: disk, or memory (tmpfs with a hard size)" }),
  size_mb: whole(1024, 1, 1_048_576, "Size of one workspace, in MiB"),
});

const slot = z.strictObject({
  processes: whole(256, 8, 1_000_000, "Processes and threads of one slot"),
  open_files: whole(1024, 64, 1_000_000, "Open files of each process in a slot"),
  file_mb: whole(1024, 1, 1_048_576, "Largest file that a command may write, in MiB"),
  scratch_mb: whole(128, 1, 1_048_576, "What /tmp and /dev/shm of a namespace sandbox hold, each, in MiB of memory"),
  memory_mb: whole(1024, 16, 16_777_216, "Resident memory of all processes of one slot, in MiB; watched once a second"),
});

const pool = z.strictObject({
  image: pattern("switchyard-sandbox:latest", /^\S+$/, "the name of an image", "Docker image of the containers"),
  slots_per_container: whole(10, 1, 1000, "Slots in each container"),
  min_containers: whole(1, 0, 1000, "Containers kept even when idle"),
  max_containers: whole(10, 1, 1000, "Containers at most"),
  idle_ttl_s: seconds(300, 0, "How long a container above min_containers may idle, in seconds"),
  isolation: z
    .enum(["auto", "namespace", "uid", "container", "none"])
    .default("auto")
    .meta({ description: "Sandbox around each slot; auto is namespace, else uid" }),
  runtime: pattern("runc", /^[\w.-]+$/, "the name of a Docker runtime", "Docker runtime, such as runc or runsc"),
  network: pattern(
    "none",
    /^[\w.-]+$/,
    "none, or the name of a Docker network",
    "Network of the containers, used only with policy.allow_network",
  ),
  memory_mb: whole(2048, 64, 16_777_216, "Memory limit of a container, swap included, in MiB"),
  cpus: number(2, 0.1, 1024, "Processors that a container may use"),
  pids: whole(4096, 32, 4_194_304, "Processes and threads that a container may have"),
  timeout_default_s: number(30, 0.1, 86_400, "Timeout of a call that names none, in seconds"),
  workspace: workspace.prefault({}),
  slot: slot.prefault({}),
});

export const configSchema = z.strictObject({
  listen: address("127.0.0.1:50051", false, "Address of the gRPC server; port 0 takes a free one"),
  backend: z
    .enum(["auto", "docker", "process"])
    .default("auto")
    .meta({ description: "What makes containers; auto is docker when a daemon answers, else process" }),
  instance: pattern(
    "",
    /^[A-Za-z0-9._-]{0,64}$/,
    "at most 64 of A-Z a-z 0-9 . _ -",
    'Names this server\'s containers across restarts; "" derives it from the listen address',
  ),
  batch: z
    .strictObject({
      window_ms: number(
        0,
        0,
        10_000,
        "How long a batch waits for more calls, in milliseconds; 0 is the end of the event-loop turn",
      ),
      size_max: whole(200, 1, 10_000, "Calls in a batch at most"),
    })
    .prefault({}),
  timeouts: z
    .strictObject({
      min_s: number(1, 0.1, 86_400, "Shortest timeout of a call, in seconds; shorter ones are raised to it"),
      max_s: number(600, 0.1, 86_400, "Longest timeout of a call, in seconds; longer ones are lowered to it"),
      queue_s: number(600, 0.1, 86_400, "How long a call may wait for its slot unless it says so itself, in seconds"),
    })
    .prefault({}),
  policy: z
    .strictObject({
      allow_network: flag(false, "Let commands reach the network of their pool"),
      require_sandbox: flag(false, "Refuse calls when their sandbox cannot be had"),
      require_stateful_sandbox: flag(false, "The same, for bash_stateful and tmux"),
    })
    .prefault({}),
  // At most 4 bytes a character, so that a result stays below a frame's 1 MiB.
  output: z
    .strictObject({
      chars_max: whole(50_000, 1000, 200_000, "Characters of a call's output that are kept: head and tail"),
    })
    .prefault({}),
  // base64 of it must fit into an outbound frame of 1 MiB.
  files: z
    .strictObject({ bytes_max: whole(100_000, 1, 700_000, "Largest file of read_file and write_file, in bytes") })
    .prefault({}),
  lease: z
    .strictObject({
      default_s: seconds(120, 0, "How long a trajectory outlives its stream unless the client says so, in seconds"),
      max_s: seconds(3600, 0, "Longest lease that a client gets, in seconds"),
    })
    .prefault({}),
  runner: z
    .strictObject({
      grace_s: seconds(3900, 1, "How long a runner lives without its server, in seconds; at least lease.max_s"),
    })
    .prefault({}),
  shutdown: z
    .strictObject({
      grace_s: number(30, 0, 86_400, "How long running calls may go on after SIGTERM, in seconds"),
      handover: flag(false, "After SIGTERM leave containers and trajectories to the next server of this instance"),
    })
    .prefault({}),
  keepalive: z
    .strictObject({
      interval_s: number(30, 1, 86_400, "Silence of a connection after which its client is pinged, in seconds"),
      timeout_s: number(10, 1, 86_400, "How long the client may take to answer before it is cut off, in seconds"),
    })
    .prefault({}),
  limits: z
    .strictObject({
      streams_max: whole(10_000, 1, 1_000_000, "Streams open at once"),
      calls_per_trajectory_max: whole(
        1024,
        1,
        1_000_000,
        "Calls of one trajectory that are queued, running or unacknowledged",
      ),
      ledger_bytes_max: whole(16_777_216, 1_048_576, 134_217_728, "Unacknowledged results of one trajectory, in bytes"),
      call_bytes_max: whole(
        67_108_864,
        16_777_216,
        17_179_869_184,
        "Calls of one trajectory that are queued or running, in bytes; further ones are rejected",
      ),
      call_bytes_total_max: whole(
        1_073_741_824,
        16_777_216,
        1_099_511_627_776,
        "Calls of all trajectories that are queued or running, in bytes; further ones are rejected",
      ),
      trajectory_lifetime_s: seconds(86_400, 1, "Longest life of a trajectory, in seconds"),
    })
    .prefault({}),
  pools: z
    .record(z.string().regex(ID_PATTERN), pool.prefault({}))
    .prefault({ default: {} })
    .meta({ description: "Pools by name; one must be named default" }),
  tools: tools.prefault({}),
  tool_server: toolServer.prefault({}),
  mcp_servers: z
    .record(z.string().regex(MCP_SERVER_NAME), mcpServer.prefault({}))
    .prefault({})
    .meta({ description: "MCP servers by name" }),
  auth: auth.prefault({}),
  reflection: flag(true, "Let clients such as grpcurl ask for the API; with tokens they need one for it, too"),
  tls: z
    .strictObject({
      cert: text("", "File with the server's certificate chain (PEM); plain text when empty"),
      key: text("", "File with the server's private key (PEM)"),
      client_ca: text("", "File with the CA that client certificates must come from (PEM); none asked for when empty"),
    })
    .prefault({}),
  insecure_listen: flag(
    false,
    "Listen where other machines can reach it without both TLS and authentication: whoever connects may run commands",
  ),
  http: z
    .strictObject({ listen: address("", true, "Address of the HTTP server for metrics and health; none when empty") })
    .prefault({}),
  tracing: tracing.prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(["fatal", "error", "warn", "info", "debug", "trace"])
        .default("info")
        .meta({ description: "Least severe level that is logged" }),
    })
    .prefault({}),
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** A complete, checked configuration. */
export type Config = DeepReadonly<z.output<typeof configSchema>>;
export type PoolConfig = Config["pools"][string];
