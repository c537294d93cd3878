// The tokens of the configuration as the server uses them, and how they change while it runs.
import type { Config } from "../config/schema.js";
import { systemClock } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import { type Token, TokenBook } from "../grpc/token-book.js";
import type { Reloadable } from "./reload.js";

export function makeTokenBook(config: Config): TokenBook {
  return new TokenBook(tokensOf(config), systemClock);
}

/** Streams that are open go on, whatever becomes of their tokens. */
export function reloadTokens(book: TokenBook, allowancesChanged: () => void): Reloadable {
  return {
    name: "auth.tokens",
    apply: (config) => {
      if (config.auth.tokens.length === 0 && !book.isEmpty) {
        const text = "without a token the server would be open to everyone who reaches it; restart it if that is meant";
        throw new SwitchyardError("CONFIG_INVALID", text);
      }
      book.replace(tokensOf(config));
      allowancesChanged();
    },
  };
}

function tokensOf({ auth }: Config): Token[] {
  return auth.tokens.map(({ name, sha256, expires, streams_max, slots_max, calls_per_s }) => ({
    name,
    sha256: Buffer.from(sha256, "hex"),
    ...(expires !== "" && { expiresUnixMs: Date.parse(expires) }),
    allowance: { streamsMax: streams_max, slotsMax: slots_max, callsPerS: calls_per_s },
  }));
}
