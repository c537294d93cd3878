// The lines that a launcher or a warden says. Invariant: no more is held than one line of the longest that an honest one writes,
// and a chunk.
import type { Readable } from "node:stream";

const LINE_MAX = 4096;

/** Hands each over as it comes; `tooLong` is told of one that no honest program writes. */
export function readLines(output: Readable, take: (line: string) => void, tooLong: () => void): void {
  let rest = "";
  output.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
    if (rest.length > LINE_MAX) tooLong();
  });
}
