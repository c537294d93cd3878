// Rules that more than one option takes part in, and what is allowed and worth a warning.
import { isLocalAddress } from "../core/address.js";
import { TOKEN_PREFIX } from "./auth-schema.js";
import type { Config } from "./schema.js";

/** One sentence for each thing that is allowed and worth knowing at every start. */
export function warningsOf(config: Config): string[] {
  const { listen, auth, http } = config;
  const warnings: string[] = [];
  const missing = missingProtection(config);
  if (!isLocalAddress(listen) && missing.length > 0) {
    warnings.push(
      `${listen} IS OPEN TO OTHER MACHINES WITHOUT ${missing.join(" AND WITHOUT ")} (insecure_listen): whoever reaches it can run commands`,
    );
  }
  if (auth.tokens.length > 0 && http.listen !== "" && !isLocalAddress(http.listen)) {
    warnings.push(
      `http.listen is ${http.listen}, which other machines can reach, and asks for no token: figures and health are for everybody`,
    );
  }
  return warnings;
}

/** What a server that other machines reach should have, and this one has not. */
export function missingProtection({ tls, auth }: Pick<Config, "tls" | "auth">): string[] {
  return [
    ...(tls.cert === "" ? ["TLS (tls.cert, tls.key)"] : []),
    ...(auth.tokens.length === 0 && tls.client_ca === "" ? ["authentication (auth.tokens or tls.client_ca)"] : []),
  ];
}

/** One sentence for each rule that is broken. */
export function crossCheck(config: Config): string[] {
  const rules = [leases, timeouts, pools, mcpServers, tokens, certificates, exposure];
  return rules.flatMap((rule) => rule(config));
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

function certificates({ tls }: Config): string[] {
  // Else a private key would be told as the name of a file that is not there.
  const pasted = Object.entries(tls).filter(([, file]) => file.includes("-----BEGIN"));
  if (pasted.length > 0) return pasted.map(([key]) => `tls.${key} holds PEM itself; give the path of a file with it`);
  if (tls.cert === "" && tls.key === "") {
    return tls.client_ca === "" ? [] : ["tls.client_ca is set without tls.cert and tls.key; set them, too"];
  }
  if (tls.key === "") return ["tls.cert is set without tls.key; set the file of its private key"];
  return tls.cert === "" ? ["tls.key is set without tls.cert; set the file of its certificate"] : [];
}

/** Who can reach the server can run commands in its slots: on a network that must be somebody who proved who they are. */
function exposure(config: Config): string[] {
  const { listen, insecure_listen } = config;
  if (insecure_listen || isLocalAddress(listen)) return [];
  const missing = missingProtection(config);
  if (missing.length === 0) return [];
  return [
    `listen is ${listen}, which other machines can reach, and there is no ${missing.join(" and no ")}; set that, listen on 127.0.0.1, or set insecure_listen: true if whoever can connect may run commands here`,
  ];
}
