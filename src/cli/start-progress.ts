// What a server is at while it starts, on a terminal: one line on stderr that renews itself. A line of the log takes its
// place, because the cursor stays at its beginning, and is longer.
import type { Pool } from "../pool/pool.js";

export type Say = (text: string) => void;

const CLEAR_LINE = "\u001b[K";
const COLUMNS_MAX = 70;
const RENEW_MS = 200;

export interface StartProgress {
  /** Undefined where nobody would see it. */
  readonly say: Say | undefined;
  /** The server has started, or will not. */
  end(): void;
}

export function startProgress(stream: Pick<NodeJS.WriteStream, "isTTY" | "columns" | "write">): StartProgress {
  if (!stream.isTTY) return { say: undefined, end: () => undefined };
  return {
    say: (text) => {
      stream.write(`${CLEAR_LINE}${text.slice(0, Math.min(COLUMNS_MAX, stream.columns - 1))}\r`);
    },
    end: () => {
      stream.write(CLEAR_LINE);
    },
  };
}

type Starting = Pick<Pool, "name" | "status" | "start">;

/** Resolves when all pools have the containers that they keep. Rejects with why one has not. */
export async function startPools(pools: readonly Starting[], wanted: (name: string) => number, say?: Say) {
  const tell = () => {
    const counts = pools.map((pool) => `${pool.name} ${pool.status().containers} of ${wanted(pool.name)}`);
    say?.(`starting containers: ${counts.join(", ")}`);
  };
  tell();
  const timer = say && setInterval(tell, RENEW_MS);
  try {
    await Promise.all(pools.map((pool) => pool.start()));
  } finally {
    clearInterval(timer);
  }
}
