// What the configuration accepts, who wins, and what a user is told when something is wrong.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { optionTable } from "../../src/config/help.js";
import { loadConfig, type Sources } from "../../src/config/load.js";
import type { Config } from "../../src/config/schema.js";
import { SwitchyardError } from "../../src/core/errors.js";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "switchyard-config-"));
});
after(() => rmSync(folder, { recursive: true }));

interface Given {
  readonly yaml?: string;
  readonly env?: Sources["env"];
  readonly flags?: Sources["flags"];
}

function load({ yaml, env = {}, flags = {} }: Given): Config {
  if (yaml === undefined) return loadConfig({ env, flags });
  const file = join(folder, "c.yaml");
  writeFileSync(file, yaml);
  return loadConfig({ file, env, flags });
}

/** The message of the CONFIG_INVALID that loading ends in, with the file's name shortened. */
function refusal(given: Given | (() => unknown)): string {
  try {
    if (typeof given === "function") given();
    else load(given);
  } catch (error) {
    assert.ok(error instanceof SwitchyardError, String(error));
    assert.equal(error.reason, "CONFIG_INVALID");
    assert.ok(!error.message.includes("\n"), "one line");
    return error.message.replaceAll(join(folder, "c.yaml"), "FILE");
  }
  assert.fail("nothing was refused");
}

const SHA256 = "ab".repeat(32);

describe("configuration: values", () => {
  it("has the documented defaults", () => {
    assert.deepEqual(load({}), {
      listen: "127.0.0.1:50051",
      backend: "auto",
      instance: "",
      batch: { window_ms: 0, size_max: 200 },
      timeouts: { min_s: 1, max_s: 600, queue_s: 600 },
      policy: { allow_network: false, require_sandbox: false, require_stateful_sandbox: false },
      output: { chars_max: 50000 },
      files: { bytes_max: 100000 },
      lease: { default_s: 120, max_s: 3600 },
      keepalive: { interval_s: 30, timeout_s: 10 },
      runner: { grace_s: 3900 },
      shutdown: { grace_s: 30, handover: false },
      limits: {
        streams_max: 10000,
        calls_per_trajectory_max: 1024,
        call_bytes_max: 67_108_864,
        call_bytes_total_max: 1_073_741_824,
        ledger_bytes_max: 16777216,
        trajectory_lifetime_s: 86400,
      },
      pools: {
        default: {
          image: "switchyard-sandbox:latest",
          slots_per_container: 10,
          min_containers: 1,
          max_containers: 10,
          idle_ttl_s: 300,
          isolation: "auto",
          runtime: "runc",
          network: "none",
          memory_mb: 2048,
          cpus: 2,
          pids: 4096,
          timeout_default_s: 30,
          workspace: { medium: "disk", size_mb: 1024 },
          slot: { processes: 256, open_files: 1024, file_mb: 1024, scratch_mb: 128, memory_mb: 1024 },
        },
      },
      tools: { disabled: [] },
      tool_server: {
        url: "",
        token: "",
        tools: [],
        timeout_default_s: 30,
        concurrency_max: 1000,
        trajectory_concurrency_max: 100,
        response_bytes_max: 8_388_608,
        refresh_s: 30,
      },
      mcp_servers: {},
      auth: { tokens: [] },
      reflection: true,
      tls: { cert: "", key: "", client_ca: "" },
      insecure_listen: false,
      http: { listen: "" },
      tracing: { endpoint: "", sample_ratio: 1, service_name: "switchyard", headers: {} },
      log: { level: "info" },
    });
  });

  it("takes what an MCP server needs, also from the environment", () => {
    const yaml = "mcp_servers: {files: {command: npx, args: [-y, x], env: {API_KEY: ''}}}";
    const { mcp_servers } = load({ yaml, env: { SWITCHYARD_MCP_SERVERS_FILES_ENV_API_KEY: "k" } });
    assert.deepEqual(mcp_servers.files?.args, ["-y", "x"]);
    assert.deepEqual(mcp_servers.files?.env, { API_KEY: "k" });
    assert.equal(mcp_servers.files?.concurrency_max, 32);
  });

  it("takes tokens, whose limits are none unless they are set", () => {
    const yaml = `auth: {tokens: [{name: a, sha256: ${SHA256}, expires: 2030-01-31T00:00:00Z, calls_per_s: 0.5}]}`;
    const expected = { name: "a", sha256: SHA256, expires: "2030-01-31T00:00:00Z", calls_per_s: 0.5 };
    assert.deepEqual(load({ yaml }).auth.tokens, [{ ...expected, streams_max: 0, slots_max: 0 }]);
  });

  it("fills the rest of a section that the file sets in part", () => {
    const config = load({ yaml: "batch: {window_ms: 20}\npools: {default: {pids: 99}, big: {}}" });
    assert.deepEqual(config.batch, { window_ms: 20, size_max: 200 });
    assert.equal(config.pools.default?.pids, 99);
    assert.equal(config.pools.big?.memory_mb, 2048);
  });

  it("takes an empty file, and a section with nothing in it, as defaults", () => {
    assert.deepEqual(load({ yaml: "" }), load({}));
    assert.deepEqual(load({ yaml: "batch:\n  # window_ms: 20\npools:\n  default:\n" }), load({}));
  });

  it("lets the environment win over the file, and flags over both", () => {
    const yaml = "listen: localhost:1\nlog: {level: warn}\nbatch: {window_ms: 1, size_max: 7}";
    const env = { SWITCHYARD_LISTEN: "localhost:2", SWITCHYARD_BATCH_WINDOW_MS: "20", SWITCHYARD_LOG_LEVEL: "error" };
    const config = load({ yaml, env, flags: { listen: "localhost:3", "log-level": "debug", backend: "process" } });
    assert.equal(config.listen, "localhost:3");
    assert.equal(config.backend, "process");
    assert.equal(config.log.level, "debug");
    assert.deepEqual(config.batch, { window_ms: 20, size_max: 7 });
  });

  it("reads numbers, booleans and pools from the environment", () => {
    const config = load({
      yaml: "pools: {default: {}, big-gpu: {}}",
      env: {
        SWITCHYARD_POOLS_DEFAULT_IMAGE: "mine:1",
        SWITCHYARD_POOLS_BIG_GPU_WORKSPACE_SIZE_MB: "5",
        SWITCHYARD_POOLS_BIG_GPU_CPUS: "0.5",
        SWITCHYARD_POLICY_REQUIRE_SANDBOX: "true",
      },
    });
    assert.equal(config.pools.default?.image, "mine:1");
    assert.equal(config.pools["big-gpu"]?.workspace.size_mb, 5);
    assert.equal(config.pools["big-gpu"]?.cpus, 0.5);
    assert.equal(config.policy.require_sandbox, true);
  });

  it("leaves other variables alone: those of the client commands, and what Kubernetes sets for a service", () => {
    const env = {
      PATH: "/bin",
      SWITCHYARD_CLIENT_TOKEN_FILE: "/t",
      SWITCHYARD_SERVICE_HOST: "10.0.0.1",
      SWITCHYARD_PORT: "tcp://10.0.0.1:50051",
      SWITCHYARD_PORT_50051_TCP_ADDR: "10.0.0.1",
    };
    assert.deepEqual(load({ env }), load({}));
  });

  it("takes an address that others reach with TLS and client certificates", () => {
    const listen = "0.0.0.0:1";
    assert.equal(load({ flags: { listen }, yaml: "tls: {cert: c, key: k, client_ca: a}" }).listen, listen);
  });

  it("takes IPv6 and names as listen addresses, and port 0", () => {
    const yaml = "insecure_listen: true";
    for (const listen of ["[::1]:0", "localhost:65535", "0.0.0.0:1"])
      assert.equal(load({ yaml, flags: { listen } }).listen, listen);
  });
});

describe("configuration: refusals", () => {
  const refused: readonly [string, Given, string][] = [
    [
      "a misspelt key",
      { yaml: "batch: {windw_ms: 1}" },
      "batch.windw_ms is not an option (in FILE); did you mean batch.window_ms?",
    ],
    ["a misspelt section", { yaml: "bach: {}" }, "bach is not an option (in FILE); did you mean batch?"],
    [
      "a key in the wrong place",
      { yaml: "size_max: 3" },
      "size_max is not an option (in FILE); did you mean batch.size_max?",
    ],
    [
      "a misspelt key of a pool",
      { yaml: "pools: {default: {imgae: x}}" },
      "pools.default.imgae is not an option (in FILE); did you mean pools.default.image?",
    ],
    ["a key like no other", { yaml: "xyzzyplugh: 3" }, "xyzzyplugh is not an option (in FILE)"],
    [
      "a misspelt variable",
      { env: { SWITCHYARD_BATCH_WINDOWMS: "1" } },
      "SWITCHYARD_BATCH_WINDOWMS names no option (in the environment); did you mean SWITCHYARD_BATCH_WINDOW_MS?",
    ],
    [
      "a variable for a pool that is not there",
      { env: { SWITCHYARD_POOLS_GPU_IMAGE: "x" } },
      "SWITCHYARD_POOLS_GPU_IMAGE names no option (in the environment)",
    ],
    [
      "a wrong type in the file",
      { yaml: "batch: {window_ms: soon}" },
      'batch.window_ms is "soon" (in FILE); it must be a number from 0 to 10000',
    ],
    [
      "a wrong type in the environment",
      { env: { SWITCHYARD_TIMEOUTS_MAX_S: "" } },
      'timeouts.max_s is "" (from SWITCHYARD_TIMEOUTS_MAX_S); it must be a number from 0.1 to 86400',
    ],
    [
      "a wrong boolean",
      { env: { SWITCHYARD_POLICY_ALLOW_NETWORK: "yes" } },
      'policy.allow_network is "yes" (from SWITCHYARD_POLICY_ALLOW_NETWORK); it must be true or false',
    ],
    [
      "a number out of range",
      { yaml: "batch: {size_max: 0}" },
      "batch.size_max is 0 (in FILE); it must be a whole number from 1 to 10000",
    ],
    [
      "a fraction where a whole number belongs",
      { yaml: "pools: {default: {pids: 64.5}}" },
      "pools.default.pids is 64.5 (in FILE); it must be a whole number from 32 to 4194304",
    ],
    [
      "a wrong choice in a flag",
      { flags: { backend: "podman" } },
      'backend is "podman" (from --backend); it must be auto, docker or process',
    ],
    [
      "an address without a port",
      { flags: { listen: "localhost" } },
      'listen is "localhost" (from --listen); it must be HOST:PORT with a port from 0 to 65535',
    ],
    [
      "a port out of range",
      { flags: { listen: "a:65536" } },
      'listen is "a:65536" (from --listen); it must be HOST:PORT with a port from 0 to 65535',
    ],
    ["a value where a section belongs", { yaml: "batch: 3" }, "batch is 3 (in FILE); it must be a mapping of options"],
    [
      "an option with nothing behind it",
      { yaml: "listen:" },
      "listen is null (in FILE); it must be HOST:PORT with a port from 0 to 65535",
    ],
    [
      "a pool's name that no client could send",
      { yaml: "pools: {default: {}, a b: {}}" },
      "pools.a b (in FILE): a pool's name must be 1 to 128 of A-Z a-z 0-9 . _ : -",
    ],
    ["pools without a default", { yaml: "pools: {big: {}}" }, "pools has no pool named default; add pools.default"],
    ["no pool at all", { yaml: "pools: {}" }, "pools has no pool named default; add pools.default"],
    [
      "fewer containers at most than at least",
      { yaml: "pools: {default: {min_containers: 11}}" },
      "pools.default.max_containers is 10; it must be at least min_containers (11)",
    ],
    [
      "runners that end before a lease does",
      { yaml: "runner: {grace_s: 3599}" },
      "runner.grace_s is 3599; it must be at least lease.max_s (3600), or runners end before their trajectories",
    ],
    [
      "a default lease over the longest",
      { yaml: "lease: {default_s: 9999}" },
      "lease.default_s is 9999; it must be at most lease.max_s (3600)",
    ],
    [
      "an address that others reach, with nothing to keep them out",
      { yaml: "listen: 0.0.0.0:1" },
      "listen is 0.0.0.0:1, which other machines can reach, and there is no TLS (tls.cert, tls.key) and no authentication (auth.tokens or tls.client_ca); set that, listen on 127.0.0.1, or set insecure_listen: true if whoever can connect may run commands here",
    ],
    [
      "TLS alone on such an address",
      { yaml: "{listen: '[::]:1', tls: {cert: c, key: k}}" },
      "listen is [::]:1, which other machines can reach, and there is no authentication (auth.tokens or tls.client_ca); set that, listen on 127.0.0.1, or set insecure_listen: true if whoever can connect may run commands here",
    ],
    [
      "a certificate without its key",
      { yaml: "tls: {cert: c}" },
      "tls.cert is set without tls.key; set the file of its private key",
    ],
    [
      "a key without its certificate",
      { env: { SWITCHYARD_TLS_KEY: "k" } },
      "tls.key is set without tls.cert; set the file of its certificate",
    ],
    [
      "client certificates without TLS",
      { yaml: "tls: {client_ca: c}" },
      "tls.client_ca is set without tls.cert and tls.key; set them, too",
    ],
    [
      "a shortest timeout over the longest",
      { yaml: "timeouts: {min_s: 601}" },
      "timeouts.min_s is 601; it must be at most timeouts.max_s (600)",
    ],
    [
      "a token without a name",
      { yaml: `auth: {tokens: [{sha256: ${SHA256}}]}` },
      "auth.tokens.0.name is undefined (in FILE); it must be 1 to 64 of A-Z a-z 0-9 . _ -",
    ],
    [
      "a token where its name or its SHA-256 should be, without telling it",
      { yaml: "auth: {tokens: [{name: a, sha256: swy_hunter2}]}" },
      "auth.tokens.0.sha256 is (hidden) (in FILE); it must be 64 hexadecimal digits, as `switchyard token` prints them",
    ],
    [
      "a token as its own name, without telling it",
      { yaml: `auth: {tokens: [{name: swy_hunter2, sha256: ${SHA256}}]}` },
      "auth.tokens.0.name looks like a token; give it a name, and the SHA-256 of the token as sha256",
    ],
    [
      "two tokens of one name",
      { yaml: `auth: {tokens: [{name: a, sha256: ${SHA256}}, {name: a, sha256: ${"cd".repeat(32)}}]}` },
      "auth.tokens.1.name is that of auth.tokens.0; they must differ",
    ],
    [
      "one token under two names",
      { yaml: `auth: {tokens: [{name: a, sha256: ${SHA256}}, {name: b, sha256: ${SHA256.toUpperCase()}}]}` },
      "auth.tokens.1.sha256 is that of auth.tokens.0; they must differ",
    ],
    [
      "a time that is none",
      { yaml: `auth: {tokens: [{name: a, sha256: ${SHA256}, expires: tomorrow}]}` },
      'auth.tokens.0.expires is "tomorrow" (in FILE); it must be a time such as 2030-01-31T00:00:00Z, or ""',
    ],
    [
      "a limit of a token that is out of range",
      { yaml: `auth: {tokens: [{name: a, sha256: ${SHA256}, slots_max: -1}]}` },
      "auth.tokens.0.slots_max is -1 (in FILE); it must be a whole number from 0 to 1000000",
    ],
    [
      "a misspelt key of a token",
      { yaml: `auth: {tokens: [{name: a, sha256: ${SHA256}, expire: ''}]}` },
      "auth.tokens.0.expire is not an option (in FILE); did you mean auth.tokens.0.expires?",
    ],
    [
      "an MCP server without a way to it",
      { yaml: "mcp_servers: {web: {}}" },
      "mcp_servers.web must have either command or url",
    ],
    [
      "an MCP server with what goes with the other way",
      { yaml: "mcp_servers: {web: {url: 'http://h/mcp', env: {A: b}}}" },
      "mcp_servers.web.env is set, which goes with command alone; remove it",
    ],
    [
      "an MCP server whose name has a dot",
      { yaml: "mcp_servers: {a.b: {url: 'http://h/mcp'}}" },
      "mcp_servers.a.b (in FILE): an MCP server's name must be 1 to 64 of A-Z a-z 0-9 _ -",
    ],
    [
      "a list as the whole file",
      { yaml: "- listen" },
      'FILE must hold a mapping of options, such as "listen: 127.0.0.1:50051"',
    ],
  ];
  for (const [name, given, message] of refused) {
    it(name, () => assert.equal(refusal(given), message));
  }

  it("bad YAML, with its place", () => {
    assert.match(refusal({ yaml: "a: 1\nb: [1\nc: 2" }), /^FILE is not valid YAML: .* at line 3, column 1$/);
    assert.match(
      refusal({ yaml: "listen: a:1\nlisten: b:1" }),
      /^FILE is not valid YAML: Map keys must be unique at line 2/,
    );
  });

  it("a file that is not there", () => {
    const missing = () => loadConfig({ file: "/no/such.yaml", env: {}, flags: {} });
    assert.match(refusal(missing), /^cannot read the configuration file \/no\/such\.yaml: ENOENT/);
  });

  it("everything wrong at once, in one line", () => {
    const message = refusal({ yaml: "batch: {size_max: 0, x: 1}", env: { SWITCHYARD_NONSENSE: "1" } });
    for (const name of ["batch.size_max", "batch.x", "SWITCHYARD_NONSENSE"]) assert.ok(message.includes(name), name);
  });

  it("a variable that two pools answer to", () => {
    const env = { SWITCHYARD_POOLS_A_B_PIDS: "64" };
    const message = refusal({ yaml: "pools: {default: {}, a-b: {}, a_b: {}}", env });
    assert.match(message, /^SWITCHYARD_POOLS_A_B_PIDS could be pools\.a-b\.pids or pools\.a_b\.pids/);
  });

  it("a secret, without telling it", () => {
    const message = refusal({ yaml: "auth: {tokens: [hunter2, 3]}\ntool_server: {token: [hunter2]}" });
    assert.ok(message.includes("auth.tokens is (hidden)"), message);
    assert.ok(message.includes("tool_server.token is (hidden)"), message);
    assert.ok(!message.includes("hunter2"), message);
  });

  it("a token or a private key in a wrong place, without telling it", () => {
    const token = `swy_${"x".repeat(43)}`;
    const pem = "-----BEGIN PRIVATE KEY-----\\nhunter2\\n-----END PRIVATE KEY-----";
    for (const yaml of [
      `auth: {tokens: [{name: "Bearer ${token}", sha256: ${SHA256}}]}`,
      `auth: {tokens: [{${token}: a}]}`,
      `listen: ${token}`,
      `auth: *${token}`,
    ]) {
      const message = refusal({ yaml });
      assert.ok(!message.includes(token), message);
    }
    const message = refusal({ yaml: `tls: {cert: a.pem, key: "${pem}"}` });
    assert.equal(message, "tls.key holds PEM itself; give the path of a file with it");
  });

  it("what may hold a secret of an external server, without telling it", () => {
    const yamls = [
      "tool_server: {url: 'http://me:hunter2@h/'}",
      "mcp_servers: {a: {url: 'ftp://h/?key=hunter2'}}",
      "mcp_servers: {a: {command: c, env: [hunter2]}}",
      "mcp_servers: {a: {command: c, env: {KEY: [hunter2]}}}",
      "mcp_servers: {a: {command: c, args: {x: hunter2}}}",
      "mcp_servers: {a: {url: 'http://h/', headers: hunter2}}",
      "mcp_servers: [hunter2]",
    ];
    for (const yaml of yamls) {
      const message = refusal({ yaml });
      assert.match(message, /is \(hidden\)/);
      assert.ok(!message.includes("hunter2"), message);
    }
  });
});

describe("configuration: help", () => {
  it("lists every option with its default and range", () => {
    const table = optionTable();
    assert.match(table, /^ {2}batch\.window_ms +0 +How long .* \(a number from 0 to 10000\)$/m);
    assert.match(table, /^ {2}pools\.NAME\.workspace\.medium +disk /m);
    assert.match(table, /^ {2}auth\.tokens\.N\.sha256 /m);
    assert.match(table, /^ {2}tool_server\.token +"" +Bearer token for the ToolServer$/m);
  });
});
