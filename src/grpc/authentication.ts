// Who calls: asked once for each RPC, before its handler runs, and handed to the handler with its metadata. Invariants: no
// handler but those of grpc.health.v1 runs for a caller who did not say who he is, where that is asked for; a token goes no
// further than here.
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { type Reason, SwitchyardError } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { ANYONE, type Principal } from "../core/principal.js";
import type { Refusal, Refusals } from "./refusals.js";
import { grpcStatusOf, type OnRefused } from "./status.js";
import type { TokenBook } from "./token-book.js";

export interface AuthenticationOptions {
  /** While it is empty no token is asked for. */
  readonly tokens: TokenBook;
  /** Whether clients need a certificate; it says who calls where tokens do not. May change while the server runs. */
  readonly clientCertificates: () => boolean;
  /** Of which a flood of bad tokens leaves little in the log. */
  readonly refusals: Refusals;
  readonly log: Logger;
  readonly onRefused?: OnRefused | undefined;
}

/** Probes of load balancers and orchestrators have no token, and learn nothing but whether the server serves. */
const OPEN_TO_ALL = "/grpc.health.v1.Health/";
const AUTHORIZATION = "authorization";
const CN_CHARS_MAX = 256;

const principals = new WeakMap<Metadata, Principal>();

/** Of a call that an interceptor of ours let through. */
export function principalOf({ metadata }: { readonly metadata: Metadata }): Principal {
  const principal = principals.get(metadata);
  if (principal !== undefined) return principal;
  throw new SwitchyardError("INTERNAL", "a call came past its authentication");
}

export function authentication(options: AuthenticationOptions): ServerInterceptor {
  return ({ path }, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            try {
              principals.set(metadata, path.startsWith(OPEN_TO_ALL) ? ANYONE : callerOf(call, metadata, options));
            } catch (error) {
              if (error instanceof SwitchyardError && isRefusal(error.reason)) {
                options.refusals.add(REFUSAL[error.reason], { peer: call.getPeer() });
              }
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
  return clientCertificates() ? certificatePrincipal(call.getAuthContext().sslPeerCertificate?.subject.CN) : ANYONE;
}

/** Throws CERTIFICATE_UNSUITABLE for a certificate without a common name, or with several. */
export function certificatePrincipal(commonName: string | readonly string[] | undefined): Principal {
  if (typeof commonName === "string" && commonName !== "" && commonName.length <= CN_CHARS_MAX) {
    return `cert:${commonName}`;
  }
  const text = `the client certificate must have one common name (CN) of at most ${CN_CHARS_MAX} characters in its subject`;
  throw new SwitchyardError("CERTIFICATE_UNSUITABLE", text);
}

const REFUSAL = {
  TOKEN_MISSING: "request refused: no token",
  TOKEN_UNKNOWN: "request refused: an unknown token",
  TOKEN_EXPIRED: "request refused: an expired token",
  CERTIFICATE_UNSUITABLE: "request refused: a client certificate without a name",
} as const satisfies Partial<Record<Reason, Refusal>>;

function isRefusal(reason: Reason): reason is keyof typeof REFUSAL {
  return Object.hasOwn(REFUSAL, reason);
}
