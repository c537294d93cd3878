// All tools of a server: which there are, and what a call of one becomes before it may run.
import type { Call } from "../core/call.js";
import type { JsonObject, JsonValue } from "../core/json.js";
import type { Operation } from "../core/operation.js";
import { failedOutcome, type Outcome } from "../core/outcome.js";
import { ArgumentReader, InvalidArguments } from "./arguments.js";
import { bash, bashStateful, terminal, terminalStateful } from "./bash.js";
import type { ExternalRun, ExternalTools } from "./external/external-tools.js";
import { readFile, writeFile } from "./files.js";
import { clamped, type TimeoutRange, timeoutOf } from "./timeout.js";
import { tmux } from "./tmux.js";
import type { Tool, ToolLimits } from "./tool.js";
import { openAiFunction, promptText } from "./tool-text.js";

const TOOLS: readonly Tool[] = [bash, terminal, bashStateful, terminalStateful, tmux, readFile, writeFile];

/** How a call's slot is isolated, as its result tells. */
export interface Surroundings {
  readonly isolation: string;
  readonly networkIsolated: boolean;
}

/** A call that is fit to run in a slot. */
export interface SandboxPlan {
  readonly operation: Operation;
  readonly timeoutS: number;
  /** What the tool's contract promises in the result, whatever the end. */
  readonly metadata: JsonObject;
  /** Why it may run in no slot without a sandbox; absent: it may. */
  readonly needsSandbox?: string;
}

/**
 * The runner's outcome with the metadata that the tool's contract promises, and what only the server knows of the call. A
 * `__proto__` that a runner put among it is no part of what comes out.
 */
export function completeOutcome(
  outcome: Outcome,
  planned: JsonObject,
  { isolation, networkIsolated }: Surroundings,
  { queueMs, slotGeneration }: Pick<Outcome, "queueMs" | "slotGeneration">,
): Outcome {
  const sandboxed = isolation !== "none";
  const metadata = Object.assign({}, planned, outcome.metadata, {
    sandboxed,
    isolation,
    network_isolated: networkIsolated,
  });
  const { status, output, error, outputBytes, truncated, execMs, exitCode, signal } = outcome;
  const complete: { -readonly [Field in keyof Outcome]: Outcome[Field] } = {
    status,
    output,
    error,
    metadata,
    outputBytes,
    truncated,
    queueMs,
    execMs,
    slotGeneration,
  };
  if (exitCode !== undefined) complete.exitCode = exitCode;
  if (signal !== undefined) complete.signal = signal;
  return complete;
}

/** A call that is for an external server, which gets the arguments as the model wrote them. */
export interface ExternalPlan {
  readonly timeoutS: number;
  /** Rejects with the signal's reason, or with what `begin` threw. */
  run(run: ExternalRun): Promise<Outcome>;
}

export type Plan =
  | { readonly kind: "sandbox"; readonly plan: SandboxPlan }
  | { readonly kind: "external"; readonly plan: ExternalPlan }
  | { readonly kind: "done"; readonly outcome: Outcome };

export interface CatalogueOptions {
  readonly limits: ToolLimits;
  readonly timeouts: TimeoutRange;
  /** policy.require_stateful_sandbox */
  readonly requireStatefulSandbox?: boolean;
  /** Names that are no tools here. */
  readonly disabled?: readonly string[];
  /** Absent: there are none. */
  readonly external?: Pick<ExternalTools, "route" | "list">;
}

export interface ToolDescription {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly parameters: JsonObject;
  readonly external: boolean;
}

/** As ListTools tells of it. */
export interface ListedTool extends ToolDescription {
  /** As an OpenAI function, in JSON. */
  readonly openAiFunction: string;
  readonly promptText: string;
}

const NEEDS_SANDBOX = "policy.require_stateful_sandbox is on, but the slot has no sandbox";

export class Catalogue {
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #disabled: ReadonlySet<string>;

  constructor(private readonly options: CatalogueOptions) {
    this.#disabled = new Set(options.disabled);
    this.#tools = new Map(TOOLS.map((tool) => [tool.name, tool]));
  }

  /** What a call may name now: a tool of a server that cannot be reached is not among them. */
  async listTools(): Promise<readonly ListedTool[]> {
    const sandbox = TOOLS.map(({ name, description, parameters }) => ({
      name,
      description,
      parameters,
      external: false,
    }));
    const external = (await this.options.external?.list()) ?? [];
    const ours = external.filter(({ name }) => !this.#tools.has(name)).map((tool) => ({ ...tool, external: true }));
    return [...sandbox, ...ours]
      .filter(({ name }) => !this.#disabled.has(name))
      .map((tool) => ({ ...tool, openAiFunction: openAiFunction(tool), promptText: promptText(tool) }));
  }

  /** What a call becomes; never throws for what a model sent. `poolDefaultS` is the pool's own timeout. */
  plan(call: Call, poolDefaultS: number): Plan {
    if (this.#disabled.has(call.tool)) return unknown(call);
    const tool = this.#tools.get(call.tool);
    return tool ? this.#planSandbox(tool, call, poolDefaultS) : this.#planExternal(call);
  }

  #planExternal(call: Call): Plan {
    const route = this.options.external?.route(call.tool);
    if (route === undefined) return unknown(call);
    if ("status" in route) return done(route);
    const timeoutS = clamped(call.timeoutS ?? route.timeoutDefaultS, this.options.timeouts);
    const { arguments: args } = call;
    return { kind: "external", plan: { timeoutS, run: (run) => route.run({ arguments: args, timeoutS }, run) } };
  }

  #planSandbox(tool: Tool, call: Call, poolDefaultS: number): Plan {
    const args = new ArgumentReader(call.arguments);
    // Whatever the tool, it is heeded, by timeoutOf.
    args.skip("timeout");
    try {
      const planned = tool.plan(args, this.options.limits);
      if ("status" in planned) return done(planned);
      const { operation, isCommand, isStateful = false, timeoutDefaultS = 0 } = planned;
      const timeoutS = timeoutOf(call, Math.max(poolDefaultS, timeoutDefaultS), this.options.timeouts);
      const needsSandbox = isStateful && this.options.requireStatefulSandbox === true;
      const metadata: { [key: string]: JsonValue } = Object.assign({}, planned.metadata);
      const { ignored } = args;
      if (ignored.length > 0) metadata.ignored_arguments = ignored;
      if (isCommand) metadata.timeout = timeoutS;
      const plan = { operation, timeoutS, metadata };
      return { kind: "sandbox", plan: needsSandbox ? { ...plan, needsSandbox: NEEDS_SANDBOX } : plan };
    } catch (error) {
      if (!(error instanceof InvalidArguments)) throw error;
      return done(failedOutcome("INVALID", error.message));
    }
  }
}

function unknown(call: Call): Plan {
  return done(failedOutcome("UNKNOWN_TOOL", `Unknown tool: ${call.tool}`));
}

function done(outcome: Outcome): Plan {
  return { kind: "done", outcome };
}
