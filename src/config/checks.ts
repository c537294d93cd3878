// Rules that more than one option takes part in, and options that this version does not honour yet: accepting
// `tls.cert` and speaking plain text would be worse than refusing it.
import { TOKEN_PREFIX } from "./auth-schema.js";
import type { Config } from "./schema.js";

/** One sentence for each rule that is broken. */
export function crossCheck(config: Config): string[] {
  return [
    ...leases(config),
    ...timeouts(config),
    ...pools(config),
    ...mcpServers(config),
    ...tokens(config),
    ...notBuilt(config),
  ];
}

function leases({ lease, runner }: Config): string[] {
  const broken: string[] = [];
  if (lease.default_s > lease.max_s) {
    broken.push(`lease.default_s is ${lease.default_s}; it must be at most lease.max_s (${lease.max_s})`);
  }
  if (runner.grace_s < lease.max_s) {
    broken.push(
      `runner.grace_s is ${runner.grace_s}; it must be at least lease.max_s (${lease.max_s}), or runners end before their trajectories`,
    );
  }
  return broken;
}

function timeouts({ timeouts: { min_s, max_s } }: Config): string[] {
  return min_s > max_s ? [`timeouts.min_s is ${min_s}; it must be at most timeouts.max_s (${max_s})`] : [];
}

function pools(config: Config): string[] {
  const broken: string[] = [];
  if (!Object.hasOwn(config.pools, "default")) broken.push("pools has no pool named default; add pools.default");
  for (const [name, pool] of Object.entries(config.pools)) {
    if (pool.max_containers < pool.min_containers) {
      broken.push(
        `pools.${name}.max_containers is ${pool.max_containers}; it must be at least min_containers (${pool.min_containers})`,
      );
    }
    if (pool.isolation === "container" && pool.slots_per_container !== 1) {
      broken.push(
        `pools.${name}.slots_per_container is ${pool.slots_per_container}; with isolation container it must be 1`,
      );
    }
  }
  return broken;
}

function mcpServers({ mcp_servers }: Config): string[] {
  return Object.entries(mcp_servers).flatMap(([name, { command, args, env, url, token, headers }]) => {
    const at = `mcp_servers.${name}`;
    if ((command === "") === (url === "")) return [`${at} must have either command or url`];
    const strange = {
      ...(command === "" && { args: args.length, env: Object.keys(env).length }),
      ...(url === "" && { token: token.length, headers: Object.keys(headers).length }),
    };
    return Object.entries(strange).flatMap(([key, count]) =>
      count > 0 ? [`${at}.${key} is set, which goes with ${command === "" ? "command" : "url"} alone; remove it`] : [],
    );
  });
}

/** Tokens, and what tells them from each other. */
function tokens({ auth }: Config): string[] {
  const misplaced = auth.tokens.flatMap(({ name }, index) =>
    name.startsWith(TOKEN_PREFIX)
      ? [`auth.tokens.${index}.name looks like a token; give it a name, and the SHA-256 of the token as sha256`]
      : [],
  );
  const same = [auth.tokens.map(({ name }) => name), auth.tokens.map(({ sha256 }) => sha256.toLowerCase())].flatMap(
    (values, which) =>
      values.flatMap((value, index) => {
        const other = values.indexOf(value);
        const key = which === 0 ? "name" : "sha256";
        return other === index ? [] : [`auth.tokens.${index}.${key} is that of auth.tokens.${other}; they must differ`];
      }),
  );
  return [...misplaced, ...same];
}

function notBuilt(config: Config): string[] {
  const asked: Record<string, boolean> = {
    "tls.cert": config.tls.cert !== "",
    "tls.key": config.tls.key !== "",
    "tls.client_ca": config.tls.client_ca !== "",
  };
  return Object.keys(asked)
    .filter((key) => asked[key])
    .map((key) => `${key} is set, and this version does not support it yet; remove it`);
}
