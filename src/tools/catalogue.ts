// All tools of a server: which there are, and what a call of one becomes before it may run.
import type { Call } from "../core/call.js";
import type { JsonObject } from "../core/json.js";
import type { Operation } from "../core/operation.js";
import { failedOutcome, type Outcome } from "../core/outcome.js";
import { ArgumentReader, InvalidArguments } from "./arguments.js";
import { bash, bashStateful, terminal, terminalStateful } from "./bash.js";
import { readFile, writeFile } from "./files.js";
import { type TimeoutRange, timeoutOf } from "./timeout.js";
import type { Tool, ToolLimits } from "./tool.js";

const TOOLS: readonly Tool[] = [bash, terminal, bashStateful, terminalStateful, readFile, writeFile];

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

/** The runner's outcome with the metadata that the tool's contract promises. */
export function completeOutcome(outcome: Outcome, planned: JsonObject, surroundings: Surroundings): Outcome {
  const { isolation, networkIsolated } = surroundings;
  const sandbox = { sandboxed: isolation !== "none", isolation, network_isolated: networkIsolated };
  return { ...outcome, metadata: { ...planned, ...outcome.metadata, ...sandbox } };
}

export type Plan =
  | { readonly kind: "sandbox"; readonly plan: SandboxPlan }
  | { readonly kind: "done"; readonly outcome: Outcome };

export interface CatalogueOptions {
  readonly limits: ToolLimits;
  readonly timeouts: TimeoutRange;
  /** policy.require_stateful_sandbox */
  readonly requireStatefulSandbox?: boolean;
}

const NEEDS_SANDBOX = { needsSandbox: "policy.require_stateful_sandbox is on, but the slot has no sandbox" };

export class Catalogue {
  readonly #tools = new Map(TOOLS.map((tool) => [tool.name, tool]));

  constructor(private readonly options: CatalogueOptions) {}

  listTools(): { name: string; description: string; parameters: JsonObject; external: boolean }[] {
    return TOOLS.map(({ name, description, parameters }) => ({ name, description, parameters, external: false }));
  }

  /** What a call becomes; never throws for what a model sent. `poolDefaultS` is the pool's own timeout. */
  plan(call: Call, poolDefaultS: number): Plan {
    const tool = this.#tools.get(call.tool);
    if (!tool) return done(failedOutcome("UNKNOWN_TOOL", `Unknown tool: ${call.tool}`));
    const args = new ArgumentReader(call.arguments);
    // Whatever the tool, it is heeded, by timeoutOf.
    args.skip("timeout");
    try {
      const planned = tool.plan(args, this.options.limits);
      if ("status" in planned) return done(planned);
      const timeoutS = timeoutOf(call, poolDefaultS, this.options.timeouts);
      const { operation, isCommand, isStateful = false } = planned;
      const needsSandbox = isStateful && this.options.requireStatefulSandbox === true;
      const metadata = { ...planned.metadata, ...named(args.ignored), ...(isCommand && { timeout: timeoutS }) };
      return { kind: "sandbox", plan: { operation, timeoutS, metadata, ...(needsSandbox && NEEDS_SANDBOX) } };
    } catch (error) {
      if (!(error instanceof InvalidArguments)) throw error;
      return done(failedOutcome("INVALID", error.message));
    }
  }
}

function done(outcome: Outcome): Plan {
  return { kind: "done", outcome };
}

function named(ignored: readonly string[]): JsonObject {
  return ignored.length > 0 ? { ignored_arguments: ignored } : {};
}
