// What is to be known of a connection's past, or of the client's options, before a failure is worth another attempt.
import { SwitchyardClientError } from "./errors.js";
import type { Failure } from "./grpc-error.js";

export interface Acquaintance {
  /** Whether tokens come from a function, which may have another one by now. */
  readonly renewsToken: boolean;
  /** Whether the client has a certificate, which the server may refuse. */
  readonly givesCertificate: boolean;
  /** Whether the server was ever reached: then what is wrong with its certificate will be mended. */
  reached: boolean;
}

/** TLS 1.3 lets a client believe that it is connected before its certificate is looked at. */
const BROKEN_OFF = /Failed to connect|ECONNRESET|socket hang up|Connection dropped/;

/** Of one trajectory, or one request. */
export class Retrying {
  #tokensLeft = 1;

  constructor(private readonly server: Acquaintance) {}

  succeeded(): void {
    this.server.reached = true;
    this.#tokensLeft = 1;
  }

  judge(failure: Failure): Failure {
    const { error, isTls } = failure;
    if (isTls && !this.server.reached) return { ...failure, retry: false };
    if (error.code === "UNAUTHENTICATED" && this.server.renewsToken && this.#tokensLeft > 0) {
      this.#tokensLeft -= 1;
      return { ...failure, retry: true };
    }
    if (this.server.givesCertificate && BROKEN_OFF.test(error.message)) {
      const message = `${error.message}; perhaps the server refused the client certificate (tls.cert): its log says so then`;
      return { ...failure, error: worded(error, message) };
    }
    return failure;
  }
}

function worded({ reason, code, cause }: SwitchyardClientError, message: string): SwitchyardClientError {
  return new SwitchyardClientError(reason, message, { ...(code !== undefined && { code }), cause });
}
