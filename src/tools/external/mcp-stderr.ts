// What the process of an MCP server writes to stderr, for the log: without secrets and within bounds. It may repeat what a
// model sent, so it is no more than debug.
import type { Logger } from "../../core/log.js";
import { briefly } from "./external-outcome.js";
import type { Secrets } from "./secrets.js";

const LINES_MAX = 1000;
const LINE_CHARS_MAX = 1000;
const TAIL_CHARS = 1000;

export class McpStderr {
  #rest = "";
  #lines = 0;
  #tail = "";

  constructor(
    private readonly log: Logger,
    private readonly secrets: Secrets,
  ) {}

  /** The last that it wrote, on one line. */
  get tail(): string {
    return briefly(this.#tail + this.#rest, this.secrets, TAIL_CHARS);
  }

  take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    // A secret is found before anything is cut, which could leave a piece of it.
    this.#rest = this.secrets.redact(lines.pop() ?? "").slice(-LINE_CHARS_MAX);
    for (const line of lines) this.#write(line);
  }

  #write(line: string): void {
    this.#tail = `${this.#tail}${this.secrets.redact(line).slice(0, LINE_CHARS_MAX)}\n`.slice(-TAIL_CHARS);
    this.#lines += 1;
    if (this.#lines > LINES_MAX) return;
    this.log.debug({ stderr: briefly(line, this.secrets, LINE_CHARS_MAX) }, "MCP server");
    if (this.#lines === LINES_MAX) this.log.debug({}, "MCP server: no more of its stderr is logged");
  }
}
