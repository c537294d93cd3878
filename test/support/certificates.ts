// Certificates made with openssl: a CA of the test's own, and what it vouches for.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Pair {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
  /** As the server logs it: hexadecimal, in capitals. */
  readonly serial: string;
}

interface Wish {
  /** Names and addresses as openssl wants them; default: localhost and 127.0.0.1. */
  readonly names?: string;
  /** Negative: it has expired. */
  readonly days?: number;
}

const CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

export class CertificateMaker {
  readonly folder = mkdtempSync(join(tmpdir(), "switchyard-certificates-"));
  readonly caFile = join(this.folder, "ca.pem");
  readonly ca: string;
  #count = 0;

  constructor(test: { after(cleanUp: () => void): void }, name = "the test's CA") {
    test.after(() => rmSync(this.folder, { recursive: true }));
    this.#openssl("req", "-x509", ...CURVE, "-keyout", this.#at("ca.key"), "-out", this.caFile, "-subj", `/CN=${name}`);
    this.ca = readFileSync(this.caFile, "utf8");
  }

  issue(name: string, { names = "DNS:localhost,IP:127.0.0.1", days = 90 }: Wish = {}): Pair {
    this.#count += 1;
    const [serial, at] = [(0xa000 + this.#count).toString(16).toUpperCase(), this.#at(`${this.#count}`)];
    const [request, extensions, certFile, keyFile] = [`${at}.csr`, `${at}.ext`, `${at}.pem`, `${at}.key`];
    writeFileSync(extensions, `subjectAltName=${names}\n`);
    this.#openssl("req", "-new", ...CURVE, "-keyout", keyFile, "-out", request, "-subj", `/CN=${name}`);
    const signed = ["-CA", this.caFile, "-CAkey", this.#at("ca.key"), "-set_serial", `0x${serial}`, "-days", `${days}`];
    this.#openssl("x509", "-req", "-in", request, ...signed, "-extfile", extensions, "-out", certFile);
    const [cert, key] = [readFileSync(certFile, "utf8"), readFileSync(keyFile, "utf8")];
    return { certFile, keyFile, cert, key, serial };
  }

  #at(name: string): string {
    return join(this.folder, name);
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { stdio: "pipe" });
  }
}
