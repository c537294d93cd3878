// What a command writes while it runs, passed on as it is, and the notes around it.
import type { OutputChunk, ToolResult } from "../../client/index.js";
import { printable } from "./units.js";

export interface Sinks {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

const NEWLINE = 10;

export class LiveOutput {
  /** Whether the call that runs has written something. */
  #isBegun = false;
  /** Whether what was shown last ends its line. */
  #isLineEnded = true;

  constructor(private readonly sinks: Sinks) {}

  /** For `CallOptions.onOutput`. */
  readonly take = ({ channel, data, missing }: OutputChunk): void => {
    this.#isBegun = true;
    if (missing > 0) this.note(`${missing} bytes are missing`);
    if (data.length === 0) return;
    this.sinks[channel].write(data);
    this.#isLineEnded = data.at(-1) === NEWLINE;
  };

  /** What is left to show once the call is over: the output of a tool that writes nothing while it runs. */
  end({ output }: ToolResult): void {
    const isShown = this.#isBegun || output === "";
    this.#isBegun = false;
    if (isShown) return;
    this.sinks.stdout.write(output);
    this.#isLineEnded = output.endsWith("\n");
  }

  /** A line of its own, on stderr. */
  note(text: string): void {
    this.endLine();
    this.sinks.stderr.write(`switchyard: ${printable(text)}\n`);
  }

  endLine(): void {
    if (!this.#isLineEnded) this.sinks.stderr.write("\n");
    this.#isLineEnded = true;
  }
}

/** Why a call failed; undefined where its exit code says it all. */
export function failureNote({ success, status, error }: ToolResult): string | undefined {
  if (success || status === "NONZERO_EXIT") return undefined;
  return `${status}: ${error}`;
}
