// All external tools of a server: which server a name belongs to, and the run of a call there, under its concurrency limit
// and its timeout. Whatever a server does, a call ends with a typed outcome.
import type { Clock } from "../../core/clock.js";
import { messageOf } from "../../core/errors.js";
import type { JsonObject } from "../../core/json.js";
import type { Logger } from "../../core/log.js";
import { failedOutcome, type Outcome } from "../../core/outcome.js";
import type { Principal } from "../../core/principal.js";
import { ExternalError, externalFailed } from "./external-outcome.js";
import { FairGate } from "./fair-gate.js";
import { linkedSignal } from "./linked-signal.js";
import type { ExternalTool, Provider, SlotAddress } from "./provider.js";
import type { Secrets } from "./secrets.js";

export interface Place {
  readonly provider: Provider;
  readonly concurrencyMax: number;
  readonly trajectoryConcurrencyMax: number;
  /** Of a call that names none. */
  readonly timeoutDefaultS: number;
}

export interface ExternalToolsOptions {
  /** Undefined: none is configured. */
  readonly toolServer: Place | undefined;
  /** Names that are tools of the ToolServer, whether it is configured or not. */
  readonly declared: readonly string[];
  /** By name; their tools are called `NAME.tool`. */
  readonly mcpServers: ReadonlyMap<string, Place>;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One call that runs at an external server, as its trajectory sees it. */
export interface ExternalRun {
  readonly principal: Principal;
  readonly trajectoryId: string;
  readonly uniqId: string;
  readonly signal: AbortSignal;
  /** Called once, when the call is about to be sent: with what the server is told of the slot. Throws to send nothing. */
  begin(): SlotAddress | undefined;
}

export interface ExternalRoute {
  readonly timeoutDefaultS: number;
  /** Rejects with the signal's reason, or with what `begin` threw. */
  run(call: { readonly arguments: JsonObject; readonly timeoutS: number }, run: ExternalRun): Promise<Outcome>;
}

/** How long ListTools waits for a server; one that is later is left out. */
const LIST_MS_MAX = 5_000;

interface Gated extends Place {
  readonly gate: FairGate;
}

export class ExternalTools {
  readonly #toolServer: Gated | undefined;
  readonly #mcpServers: ReadonlyMap<string, Gated>;

  constructor(private readonly options: ExternalToolsOptions) {
    this.#toolServer = options.toolServer && gated(options.toolServer);
    this.#mcpServers = new Map([...options.mcpServers].map(([name, place]) => [name, gated(place)]));
  }

  /** Undefined when no server could have such a tool; an outcome when none is there that should. */
  route(name: string): ExternalRoute | Outcome | undefined {
    const mcpServer = this.#mcpServerOf(name);
    if (mcpServer) return this.#route(mcpServer, name, name.slice(name.indexOf(".") + 1));
    if (this.#toolServer) return this.#route(this.#toolServer, name, name);
    if (!this.options.declared.includes(name)) return undefined;
    return failedOutcome("EXTERNAL_FAILED", `External tool not available (ToolServer not configured): ${name}`);
  }

  /** What can be called now. */
  async list(): Promise<readonly ExternalTool[]> {
    const named = [...this.#mcpServers].map(async ([server, place]) => {
      const tools = await this.#listOf(place);
      return tools.map((tool) => ({ ...tool, name: `${server}.${tool.name}` }));
    });
    const unnamed = this.#toolServer ? await this.#listOf(this.#toolServer) : [];
    const lists = await Promise.all(named);
    return [...unnamed.filter(({ name }) => this.#mcpServerOf(name) === undefined), ...lists.flat()];
  }

  async close(): Promise<void> {
    const places = [...(this.#toolServer ? [this.#toolServer] : []), ...this.#mcpServers.values()];
    await Promise.all(places.map(({ provider }) => provider.close()));
  }

  #mcpServerOf(name: string): Gated | undefined {
    return name.includes(".") ? this.#mcpServers.get(name.slice(0, name.indexOf("."))) : undefined;
  }

  #route(place: Gated, name: string, tool: string): ExternalRoute {
    return {
      timeoutDefaultS: place.timeoutDefaultS,
      run: async (call, run) => {
        const leave = await place.gate.enter(`${run.trajectoryId} ${run.principal}`, run.signal);
        try {
          run.signal.throwIfAborted();
          const slot = run.begin();
          return await this.#run(place.provider, name, { ...call, tool, ...(slot && { slot }) }, run);
        } finally {
          leave();
        }
      },
    };
  }

  async #run(
    provider: Provider,
    name: string,
    call: { arguments: JsonObject; timeoutS: number; tool: string; slot?: SlotAddress },
    { principal, trajectoryId, uniqId, signal }: ExternalRun,
  ): Promise<Outcome> {
    const late = new AbortController();
    const timer = this.options.clock.after(call.timeoutS * 1000, () => {
      late.abort(new ExternalError(`no answer within ${call.timeoutS} s`));
    });
    const either = linkedSignal([signal, late.signal]);
    const metadata = { external: true, timeout: call.timeoutS };
    try {
      const request = { ...call, principal, trajectoryId, uniqId, signal: either.signal };
      const outcome = (await provider.call(request)) ?? failedOutcome("UNKNOWN_TOOL", `Unknown tool: ${name}`);
      return outcome.status === "UNKNOWN_TOOL"
        ? outcome
        : { ...outcome, metadata: { ...outcome.metadata, ...metadata } };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      return { ...externalFailed(this.#why(error)), metadata };
    } finally {
      timer.cancel();
      either.unlink();
    }
  }

  #why(error: unknown): string {
    if (error instanceof ExternalError) return messageOf(error);
    const { log, secrets } = this.options;
    log.error(
      { stack: secrets.redact(stackOf(error)) },
      "an external call failed for a reason that is not its server's",
    );
    return "internal error";
  }

  #listOf({ provider }: Place): Promise<readonly ExternalTool[]> {
    return new Promise((resolve) => {
      const timer = this.options.clock.after(LIST_MS_MAX, () => resolve([]));
      void provider.list().then((tools) => {
        timer.cancel();
        resolve(tools);
      });
    });
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function gated(place: Place): Gated {
  return { ...place, gate: new FairGate(place.concurrencyMax, place.trajectoryConcurrencyMax) };
}
