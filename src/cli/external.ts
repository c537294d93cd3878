// External tools as the configuration names them: the ToolServer and the MCP servers.
import type { Config } from "../config/schema.js";
import { systemClock } from "../core/clock.js";
import type { Logger } from "../core/log.js";
import { ExternalTools, type Place } from "../tools/external/external-tools.js";
import { McpServer } from "../tools/external/mcp-server.js";
import { Secrets, secretsOf } from "../tools/external/secrets.js";
import { ToolServer } from "../tools/external/tool-server.js";
import { packageVersion } from "./package.js";

export function makeExternalTools(config: Config, log: Logger): ExternalTools {
  const { tool_server, mcp_servers } = config;
  // What one server is told in confidence is kept out of what any of them says.
  const secrets = new Secrets([tool_server, ...Object.values(mcp_servers)].flatMap(secretsOf));
  const common = { outputCharsMax: config.output.chars_max, secrets, clock: systemClock };
  const mcpServers = Object.entries(mcp_servers).map(([name, server]): [string, Place] => {
    const provider = new McpServer({
      ...common,
      ...server,
      connectTimeoutS: server.connect_timeout_s,
      messageBytesMax: server.response_bytes_max,
      version: packageVersion(),
      log: log.child({ mcp_server: name }),
    });
    return [name, placeOf(server, provider)];
  });
  return new ExternalTools({
    toolServer: tool_server.url === "" ? undefined : placeOf(tool_server, makeToolServer(tool_server, common, log)),
    declared: tool_server.tools,
    mcpServers: new Map(mcpServers),
    secrets,
    clock: systemClock,
    log,
  });
}

type Common = Pick<ConstructorParameters<typeof ToolServer>[0], "outputCharsMax" | "secrets" | "clock">;

function makeToolServer(settings: Config["tool_server"], common: Common, log: Logger): ToolServer {
  const { url, token, tools, concurrency_max, response_bytes_max, refresh_s } = settings;
  return new ToolServer({
    ...common,
    ...{ url, token, declared: tools, log },
    concurrencyMax: concurrency_max,
    responseBytesMax: response_bytes_max,
    refreshS: refresh_s,
  });
}

function placeOf(
  settings: Pick<Config["tool_server"], "concurrency_max" | "trajectory_concurrency_max" | "timeout_default_s">,
  provider: Place["provider"],
): Place {
  return {
    provider,
    concurrencyMax: settings.concurrency_max,
    trajectoryConcurrencyMax: settings.trajectory_concurrency_max,
    timeoutDefaultS: settings.timeout_default_s,
  };
}
