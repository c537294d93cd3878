// The tools that one external server offers, as it last said: asked for anew when that is old and somebody needs it. At
// most one request is under way.
import type { Clock } from "../../core/clock.js";
import { type ExternalTool, unlessAborted } from "./provider.js";

/** A list is taken as it is for so long. */
const FRESH_MS = 1000;

export class Listing {
  #tools: ReadonlyMap<string, ExternalTool> | undefined;
  /** When it was last asked for with success. */
  #listedAt = Number.NEGATIVE_INFINITY;
  #isStale = true;
  #refreshing: Promise<void> | undefined;

  constructor(
    /** Rejects with ExternalError. */
    private readonly fetch: () => Promise<readonly ExternalTool[]>,
    private readonly clock: Clock,
  ) {}

  /** The server said that its tools have changed, or is another one. */
  outdate(): void {
    this.#isStale = true;
  }

  /** Whether there is such a tool. Rejects when that cannot be told. */
  async has(name: string, signal: AbortSignal): Promise<boolean> {
    if (this.#tools?.has(name)) return true;
    if (!this.#isFresh) await unlessAborted(this.refresh(), signal);
    return this.#tools?.has(name) ?? false;
  }

  /** What there is now. Rejects when the server does not say. */
  async current(): Promise<readonly ExternalTool[]> {
    if (!this.#isFresh) await this.refresh();
    return [...(this.#tools?.values() ?? [])];
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#fetch().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  get #isFresh(): boolean {
    return !this.#isStale && this.clock.now() - this.#listedAt <= FRESH_MS;
  }

  async #fetch(): Promise<void> {
    this.#isStale = false;
    try {
      const tools = await this.fetch();
      this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
      this.#listedAt = this.clock.now();
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
  }
}
