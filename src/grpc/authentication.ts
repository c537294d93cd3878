// Who calls: asked once for each RPC, before its handler runs, and handed to the handler with its metadata. Invariants: no
// handler but those of grpc.health.v1 runs for a caller who did not say who he is, where that is asked for; a token goes no
// further than here.
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import type { Clock } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { ANYONE, type Principal } from "../core/principal.js";
import { grpcStatusOf, type OnRefused } from "./status.js";
import type { TokenBook } from "./token-book.js";

export interface AuthenticationOptions {
  /** While it is empty no token is asked for. */
  readonly tokens: TokenBook;
  /** Whether connections have a client certificate that was verified. It says who calls where tokens do not. */
  readonly clientCertificates: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onRefused?: OnRefused | undefined;
}

/** Probes of load balancers and orchestrators have no token, and learn nothing but whether the server serves. */
const OPEN_TO_ALL = "/grpc.health.v1.Health/";
const AUTHORIZATION = "authorization";
/** Refusals are logged so often at most, with how many there were. */
const LOG_EVERY_MS = 10_000;
const CN_CHARS_MAX = 256;

const principals = new WeakMap<Metadata, Principal>();

/** Of a call that an interceptor of ours let through. */
export function principalOf({ metadata }: { readonly metadata: Metadata }): Principal {
  const principal = principals.get(metadata);
  if (principal !== undefined) return principal;
  throw new SwitchyardError("INTERNAL", "a call came past its authentication");
}

export function authentication(options: AuthenticationOptions): ServerInterceptor {
  const refusals = new Refusals(options);
  return ({ path }, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            try {
              principals.set(metadata, path.startsWith(OPEN_TO_ALL) ? ANYONE : callerOf(call, metadata, options));
            } catch (error) {
              refusals.note(error, call.getPeer());
              call.sendStatus(grpcStatusOf(error, options.log, options.onRefused));
              return;
            }
            metadata.remove(AUTHORIZATION);
            pass(metadata);
          },
        }),
    });
}

function callerOf(
  call: ServerInterceptingCallInterface,
  metadata: Metadata,
  { tokens, clientCertificates }: AuthenticationOptions,
): Principal {
  if (!tokens.isEmpty) return tokens.principalOf(metadata.get(AUTHORIZATION));
  return clientCertificates ? certificatePrincipal(call.getAuthContext().sslPeerCertificate?.subject.CN) : ANYONE;
}

/** Throws CERTIFICATE_UNSUITABLE for a certificate without a common name, or with several. */
export function certificatePrincipal(commonName: string | readonly string[] | undefined): Principal {
  if (typeof commonName === "string" && commonName !== "" && commonName.length <= CN_CHARS_MAX) {
    return `cert:${commonName}`;
  }
  const text = `the client certificate must have one common name (CN) of at most ${CN_CHARS_MAX} characters in its subject`;
  throw new SwitchyardError("CERTIFICATE_UNSUITABLE", text);
}

/** What a flood of bad tokens leaves in the log: a line now and then. */
class Refusals {
  #count = 0;
  #loggedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: Pick<AuthenticationOptions, "clock" | "log">) {}

  note(error: unknown, peer: string): void {
    this.#count += 1;
    const nowMs = this.options.clock.now();
    if (!(error instanceof SwitchyardError) || nowMs - this.#loggedMs < LOG_EVERY_MS) return;
    const { reason } = error;
    this.options.log.warn({ times: this.#count, reason, peer }, "requests without a good token refused");
    this.#count = 0;
    this.#loggedMs = nowMs;
  }
}
