// The files of `tls.*`, read as the server reads them.
import type { Config } from "../../config/schema.js";
import { messageOf } from "../../core/errors.js";
import { readCertificates } from "../../grpc/certificates.js";
import { type Check, ok, problem, warning } from "./check.js";

/** Nothing where there is no TLS. */
export async function checkCertificates({ tls }: Pick<Config, "tls">): Promise<Check[]> {
  if (tls.cert === "") return [];
  try {
    const { subject, serial, expiresMs, warnings } = await readCertificates(tls);
    const found = `${subject}, serial ${serial}, until ${new Date(expiresMs).toISOString().slice(0, 10)}`;
    if (warnings.length === 0) return [ok("tls", found)];
    return warnings.map((text) => warning("tls", text, "the server takes a renewed file without a restart"));
  } catch (error) {
    return [problem("tls", messageOf(error), "the server would not start with these files")];
  }
}
