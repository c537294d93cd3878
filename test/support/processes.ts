// Processes of this machine by a word on their command line, also those in other pid namespaces. A test gives its
// commands a word of their own, such as a number of seconds that nobody else sleeps.
import { readdirSync, readFileSync } from "node:fs";

let words = 0;

/** Seconds to sleep, and a thousandth more, as nobody else writes them. */
export function uniqueSleep(seconds = 3600): string {
  words += 1;
  const unique = `${process.pid}${Date.now() % 1_000_000}${words}`;
  return `${seconds.toFixed(1)}00${unique}`;
}

/** Command lines of living processes that have the word as an argument. */
export function living(word: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(commandLine)
    .filter((args) => args.includes(word))
    .map((args) => args.join(" "));
}

/** Resolves once `count` processes have the word on their command line. */
export async function livingAre(word: string, count: number): Promise<void> {
  while (living(word).length !== count) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Empty for one that has ended, a zombie too. */
function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").slice(0, -1);
  } catch {
    return [];
  }
}
