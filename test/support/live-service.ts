// The whole server in this process, on port 0 with a real backend, and a client for it. Configuration is given as the YAML
// file would give it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Metadata } from "@grpc/grpc-js";
import { type DestinationStream, pino } from "pino";
import { stringify } from "yaml";
import { startService } from "../../src/cli/compose.js";
import { loadConfig } from "../../src/config/load.js";
import { ToolCall, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { GetStatusRequest, type GetStatusResponse } from "../../src/gen/switchyard/v1/status.js";
import {
  ExecuteRequest,
  ReleaseTrajectoryRequest,
  type ReleaseTrajectoryResponse,
  ToolExecutorServiceClient,
} from "../../src/gen/switchyard/v1/tool_executor_service.js";
import type { Open } from "../../src/gen/switchyard/v1/trajectory.js";
import { TrajectoryClient } from "./trajectory-client.js";

export interface LiveService {
  readonly address: string;
  /** Of metrics and health, if `http.listen` asked for them. */
  readonly httpAddress: string | undefined;
  readonly client: ToolExecutorServiceClient;
  /** Opens a stream; resolves once the server said `opened`. */
  open(open: Partial<Open> & { trajectoryId: string }): Promise<TrajectoryClient>;
  execute(trajectoryId: string, call: CallFields): Promise<ToolResult>;
  release(trajectoryId: string, resetWorkspace: boolean): Promise<ReleaseTrajectoryResponse>;
  status(): Promise<GetStatusResponse>;
  /** Resolves once the status is as asked for; asks again until then. */
  statusIs(holds: (status: GetStatusResponse) => boolean): Promise<GetStatusResponse>;
  close(graceMs?: number): Promise<void>;
}

export type CallFields = Parameters<typeof ToolCall.fromPartial>[0];

export async function startLive(
  backend: "docker" | "process",
  settings: object = {},
  logTo: DestinationStream = process.stderr,
): Promise<LiveService> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-test-"));
  const file = join(folder, "config.yaml");
  writeFileSync(file, stringify({ backend, listen: "127.0.0.1:0", log: { level: "fatal" }, ...settings }));
  const config = loadConfig({ file, env: {}, flags: {} });
  rmSync(folder, { recursive: true });
  const service = await startService(config, pino({ level: config.log.level }, logTo));
  const client = new ToolExecutorServiceClient(service.address, credentials.createInsecure());
  const status = () =>
    new Promise<GetStatusResponse>((resolve, reject) => {
      client.getStatus(GetStatusRequest.fromPartial({}), (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  return {
    address: service.address,
    httpAddress: service.httpAddress,
    client,
    open: (open) => TrajectoryClient.open(client, open),
    execute: (trajectoryId, call) =>
      new Promise((resolve, reject) => {
        const request = ExecuteRequest.fromPartial({ trajectoryId, call: ToolCall.fromPartial(call) });
        client.execute(request, new Metadata(), (error, response) => {
          if (error) reject(error);
          else if (response.result) resolve(response.result);
          else reject(new Error("a response without a result"));
        });
      }),
    release: (trajectoryId, resetWorkspace) =>
      new Promise((resolve, reject) => {
        const target = { $case: "trajectoryId", value: trajectoryId } as const;
        const request = ReleaseTrajectoryRequest.fromPartial({ target, resetWorkspace });
        client.releaseTrajectory(request, (error, response) => (error ? reject(error) : resolve(response)));
      }),
    status,
    statusIs: async (holds) => {
      for (;;) {
        const now = await status();
        if (holds(now)) return now;
      }
    },
    close: async (graceMs = 0) => {
      await service.close(graceMs);
      client.close();
    },
  };
}
