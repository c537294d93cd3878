// The bearer tokens that the server takes, by their SHA-256: the tokens themselves are nowhere in it. Invariant: a look-up
// takes as long for a token that is known as for one that is not.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import { type Allowance, type Principal, UNLIMITED } from "../core/principal.js";

export interface Token {
  /** Whose requests are those that come with it. */
  readonly name: Principal;
  readonly sha256: Buffer;
  /** From then on it is refused; absent: never. */
  readonly expiresUnixMs?: number;
  readonly allowance: Allowance;
}

/** `authorization: Bearer TOKEN`; the scheme in any letters (RFC 6750, 9110). */
const BEARER = /^bearer +([\x21-\x7e]+) *$/i;
/** A longer one is not hashed. */
const TOKEN_CHARS_MAX = 1024;

export class TokenBook {
  #tokens: readonly Token[] = [];
  /** Also of tokens that were taken away: their streams and trajectories live on, under the limits that they had. */
  readonly #allowances = new Map<Principal, Allowance>();

  constructor(
    tokens: readonly Token[],
    private readonly clock: Pick<Clock, "unixMs">,
  ) {
    this.replace(tokens);
  }

  /** Whether no token is asked for. */
  get isEmpty(): boolean {
    return this.#tokens.length === 0;
  }

  /** Counts from the next request on; streams that are open go on. */
  replace(tokens: readonly Token[]): void {
    this.#tokens = tokens;
    for (const { name, allowance } of tokens) this.#allowances.set(name, allowance);
  }

  allowanceOf(principal: Principal): Allowance {
    return this.#allowances.get(principal) ?? UNLIMITED;
  }

  /** Whose request it is that came with these `authorization` headers. Throws TOKEN_MISSING, TOKEN_UNKNOWN, TOKEN_EXPIRED. */
  principalOf(headers: readonly (string | Buffer)[]): Principal {
    const [header] = headers;
    if (header === undefined) throw new SwitchyardError("TOKEN_MISSING", MISSING);
    const presented = headers.length === 1 ? BEARER.exec(header.toString())?.[1] : undefined;
    if (presented === undefined) throw new SwitchyardError("TOKEN_MISSING", `${MISSING}, once`);
    const token = this.#lookUp(presented);
    if (!token) throw new SwitchyardError("TOKEN_UNKNOWN", UNKNOWN);
    const { expiresUnixMs } = token;
    if (expiresUnixMs === undefined || this.clock.unixMs() < expiresUnixMs) return token.name;
    const when = new Date(expiresUnixMs).toISOString();
    throw new SwitchyardError("TOKEN_EXPIRED", `the token expired at ${when}: ask the operator for a new one`);
  }

  #lookUp(presented: string): Token | undefined {
    if (presented.length > TOKEN_CHARS_MAX) return undefined;
    const digest = createHash("sha256").update(presented).digest();
    let found: Token | undefined;
    for (const token of this.#tokens) if (timingSafeEqual(token.sha256, digest)) found = token;
    return found;
  }
}

const MISSING = "this server asks for a bearer token: send the metadata `authorization: Bearer TOKEN`";
const UNKNOWN =
  "the server does not know this token: check it for a slip, or ask the operator, who has its SHA-256 in auth.tokens";
