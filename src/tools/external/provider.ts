// What an external server is to the rest of tools/external: the ToolServer, or one MCP server.
import type { JsonObject } from "../../core/json.js";
import type { Outcome } from "../../core/outcome.js";
import type { Principal } from "../../core/principal.js";

export interface ExternalTool {
  /** As the server names it. */
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonObject;
}

/** The slot of a trajectory that has one, as external tools are told of it. */
export interface SlotAddress {
  readonly id: string;
  /** `docker:CONTAINER_ID` or `process:PID`. */
  readonly address: string;
}

export interface ProviderRequest {
  readonly principal: Principal;
  readonly trajectoryId: string;
  readonly uniqId: string;
  /** As the server names it. */
  readonly tool: string;
  readonly arguments: JsonObject;
  readonly timeoutS: number;
  readonly slot?: SlotAddress;
  /** Aborted when the call's time is over or nobody wants it any more. */
  readonly signal: AbortSignal;
}

export interface Provider {
  /** Undefined when there is no such tool. Rejects with ExternalError, or with the signal's reason. */
  call(request: ProviderRequest): Promise<Outcome | undefined>;
  /** What it offers now; nothing when it cannot be asked. Never rejects. */
  list(): Promise<readonly ExternalTool[]>;
  close(): Promise<void>;
}

/** The promise, or a rejection with the signal's reason, whichever comes first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
