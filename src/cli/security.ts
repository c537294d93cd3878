// Who may connect and how it is known: what the configuration says of it, as the gRPC server takes it.
import type { Logger } from "pino";
import type { Config } from "../config/schema.js";
import { systemClock } from "../core/clock.js";
import { SwitchyardError } from "../core/errors.js";
import { CertificateKeeper } from "../grpc/certificate-keeper.js";
import type { Reloadable } from "./reload.js";

export interface Security {
  /** Undefined: plain text. */
  readonly certificates: CertificateKeeper | undefined;
  readonly reloadable: readonly Reloadable[];
  close(): void;
}

/** Rejects with CONFIG_INVALID when a file cannot be used. */
export async function makeSecurity({ tls }: Pick<Config, "tls">, log: Logger): Promise<Security> {
  if (tls.cert === "") return { certificates: undefined, reloadable: [], close: () => {} };
  const certificates = await CertificateKeeper.start({ files: tls, clock: systemClock, log });
  const { serial, expiresMs, clientCa } = certificates.current;
  const fields = { serial, expires: new Date(expiresMs).toISOString(), client_certificates: clientCa !== undefined };
  log.info(fields, "connections are TLS");
  const files: Reloadable = {
    name: "tls",
    always: true,
    apply: (next) => {
      const isSame = (before: string, after: string) => (before === "") === (after === "");
      if (!isSame(tls.cert, next.tls.cert) || !isSame(tls.client_ca, next.tls.client_ca)) {
        throw new SwitchyardError("CONFIG_INVALID", "TLS and client certificates are turned on and off by a restart");
      }
      return certificates.reload(next.tls);
    },
  };
  return { certificates, reloadable: [files], close: () => certificates.close() };
}
