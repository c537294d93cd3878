// Whom a client trusts, and how it says who it is: from its options to what grpc-js wants for each connection.
// Invariant: a token leaves only over TLS or to this machine, unless that was asked for in so many words.
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  status,
} from "@grpc/grpc-js";
import { isLocalAddress } from "../core/address.js";
import { messageOf } from "../core/errors.js";
import { SwitchyardClientError } from "./errors.js";

/** Texts are PEM. */
export interface TlsOptions {
  /** CAs that the server's certificate must come from. Default: those that Node knows. */
  readonly ca?: string;
  /** The client's own certificate, with its chain; goes with `key`. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that the server's certificate must have, where it is not the address's. */
  readonly serverName?: string;
}

export interface SecurityOptions {
  /** Of `@grpc/grpc-js`, for what `tls` and `token` cannot say; goes with neither of them. */
  readonly credentials?: ChannelCredentials;
  /** `true`: TLS with the CAs that Node knows. Default: plain text. */
  readonly tls?: boolean | TlsOptions;
  /**
   * Who the client is: sent as `authorization: Bearer TOKEN` with every request and stream. A function is asked for each, and
   * once more when the server refuses what it gave: it may keep a token until that gets old.
   */
  readonly token?: string | (() => string | Promise<string>);
  /** Send `token` without TLS to another machine, too, where whoever is in between can read and use it. */
  readonly allowInsecureToken?: boolean;
}

/** What each connection is made with. */
export interface Security {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
  readonly interceptors: Interceptor[];
  /** Whether a refused token may be followed by another one. */
  readonly renewsToken: boolean;
  readonly givesCertificate: boolean;
}

/** What may stand in a header, and no blank: such a token would not be the one that the server knows. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Throws CONFIG_INVALID. */
export function securityOf(address: string, given: SecurityOptions): Security {
  const { tls = false, token } = given;
  if (given.credentials !== undefined) {
    const other = token === undefined ? "tls" : "token";
    if (tls !== false || token !== undefined) {
      throw invalid(
        `credentials and ${other} are both given; put what ${other} says into the credentials, or leave them out`,
      );
    }
    return {
      credentials: given.credentials,
      options: {},
      interceptors: [],
      renewsToken: false,
      givesCertificate: false,
    };
  }
  if (token !== undefined && tls === false && given.allowInsecureToken !== true && !isLocalTarget(address)) {
    throw invalid(
      `the token would go to ${address} in plain text, where whoever is in between can read and use it; give tls, or allowInsecureToken: true`,
    );
  }
  if (typeof token === "string") checkToken(token);
  const { serverName, cert } = typeof tls === "object" ? tls : {};
  return {
    credentials: tls === false ? credentials.createInsecure() : secureCredentials(tls === true ? {} : tls),
    options: serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName },
    interceptors: token === undefined ? [] : [authorization(token)],
    renewsToken: typeof token === "function",
    givesCertificate: cert !== undefined,
  };
}

function secureCredentials({ ca, cert, key }: TlsOptions): ChannelCredentials {
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid(
      `tls.${cert === undefined ? "key" : "cert"} is given without tls.${cert === undefined ? "cert" : "key"}`,
    );
  }
  try {
    return credentials.createSsl(bytesOf(ca), bytesOf(key), bytesOf(cert));
  } catch (cause) {
    throw invalid(
      `tls.ca, tls.cert and tls.key must be PEM, and key and cert must belong together: ${messageOf(cause)}`,
      cause,
    );
  }
}

function bytesOf(pem: string | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem);
}

/** Adds the token to every RPC before it starts. A function that fails makes the RPC fail as a lost connection does. */
function authorization(token: NonNullable<SecurityOptions["token"]>): Interceptor {
  return (options, nextCall) => {
    /** Until there is a token: an RPC that has not started cannot be cancelled, and would never end. */
    let endUnstarted: ((code: status, details: string) => void) | undefined;
    return new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        const begin = (text: string) => {
          metadata.set("authorization", `Bearer ${text}`);
          next(metadata, listener);
        };
        if (typeof token === "string") return begin(token);
        endUnstarted = (code, details) => {
          endUnstarted = undefined;
          listener.onReceiveStatus?.({ code, details, metadata: new Metadata() });
        };
        askFor(token)
          .then((text) => {
            if (endUnstarted === undefined) return;
            checkToken(text);
            endUnstarted = undefined;
            begin(text);
          })
          .catch((error: unknown) => endUnstarted?.(status.UNAVAILABLE, `there is no token: ${messageOf(error)}`));
      },
      cancel: (next) => {
        endUnstarted?.(status.CANCELLED, "cancelled before there was a token");
        next();
      },
    });
  };
}

async function askFor(token: () => string | Promise<string>): Promise<string> {
  return token();
}

function checkToken(token: string): void {
  if (TOKEN.test(token)) return;
  throw invalid("the token must be one or more printable ASCII characters without blanks");
}

/** A target of gRPC: an address, or several, after a scheme. */
function isLocalTarget(target: string): boolean {
  if (/^(unix|unix-abstract):/.test(target)) return true;
  const addresses = target.replace(/^(dns:(\/\/[^/]*\/)?|ipv4:|ipv6:)/, "").split(",");
  return addresses.every((address) => isLocalAddress(address));
}

function invalid(message: string, cause?: unknown): SwitchyardClientError {
  return new SwitchyardClientError("CONFIG_INVALID", message, { cause });
}
