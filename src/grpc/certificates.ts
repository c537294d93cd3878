// The files of `tls.*` and whether a server can go by them. Every complaint names the option, the file and what to do.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { messageOf, SwitchyardError } from "../core/errors.js";

/** Paths, as in the configuration; `client_ca` is "" where no client certificate is asked for. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly client_ca: string;
}

/** PEM, checked: the key belongs to the certificate, and OpenSSL takes all of it. */
export interface Certificates {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | undefined;
  readonly serial: string;
  readonly subject: string;
  readonly expiresMs: number;
  /** What will soon be wrong, or is without keeping the server from starting. */
  readonly warnings: readonly string[];
}

const DAY_MS = 86_400_000;
const EXPIRY_WARNING_DAYS = 14;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Rejects with CONFIG_INVALID. */
export async function readCertificates(files: CertificateFiles, nowMs = Date.now()): Promise<Certificates> {
  const [cert, key, clientCa] = await Promise.all([
    contentOf("tls.cert", files.cert),
    contentOf("tls.key", files.key),
    files.client_ca === "" ? undefined : contentOf("tls.client_ca", files.client_ca),
  ]);
  const [own] = certificatesIn("tls.cert", files.cert, cert);
  const authorities = clientCa && certificatesIn("tls.client_ca", files.client_ca, clientCa);
  if (!own.checkPrivateKey(keyIn(files.key, key))) {
    throw invalid(
      `tls.key ${files.key} is not the key of the certificate in tls.cert ${files.cert}; give the two that belong together`,
    );
  }
  try {
    createSecureContext({ cert, key, ca: clientCa, minVersion: "TLSv1.2" });
  } catch (cause) {
    throw invalid(`tls.cert ${files.cert} and its key cannot be used: ${messageOf(cause)}`, cause);
  }
  const warnings = [
    ...validity(`the certificate in tls.cert ${files.cert}`, own, nowMs),
    ...(authorities ?? []).flatMap((ca) => validity(`a certificate in tls.client_ca ${files.client_ca}`, ca, nowMs)),
  ];
  const { serialNumber: serial, subject, validTo } = own;
  return {
    cert,
    key,
    clientCa,
    serial,
    subject: subject.replaceAll("\n", ", "),
    expiresMs: Date.parse(validTo),
    warnings,
  };
}

async function contentOf(option: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw invalid(`cannot read ${option}: ${messageOf(cause)}; give a PEM file that the server's user may read`, cause);
  }
}

function certificatesIn(option: string, file: string, content: Buffer): [X509Certificate, ...X509Certificate[]] {
  try {
    const [first, ...rest] = content.toString("latin1").match(PEM_CERTIFICATE) ?? [];
    if (first === undefined) throw new Error('there is no "-----BEGIN CERTIFICATE-----" in it, or no end to it');
    return [new X509Certificate(first), ...rest.map((pem) => new X509Certificate(pem))];
  } catch (cause) {
    throw invalid(`${option} ${file} must hold certificates in PEM: ${messageOf(cause)}`, cause);
  }
}

function keyIn(file: string, content: Buffer): KeyObject {
  try {
    return createPrivateKey(content);
  } catch (cause) {
    throw invalid(`tls.key ${file} must hold a private key in PEM, without a passphrase: ${messageOf(cause)}`, cause);
  }
}

function validity(what: string, { validFrom, validTo }: X509Certificate, nowMs: number): string[] {
  const leftMs = Date.parse(validTo) - nowMs;
  if (leftMs <= 0) return [`${what} expired on ${dateOf(validTo)}: whoever checks it will refuse it; renew it`];
  if (Date.parse(validFrom) > nowMs) return [`${what} is not valid before ${dateOf(validFrom)}: check the clock`];
  if (leftMs > EXPIRY_WARNING_DAYS * DAY_MS) return [];
  return [`${what} expires in ${Math.floor(leftMs / DAY_MS)} days, on ${dateOf(validTo)}; renew it`];
}

function dateOf(text: string): string {
  return new Date(text).toISOString().slice(0, 10);
}

function invalid(message: string, cause?: unknown): SwitchyardError {
  return new SwitchyardError("CONFIG_INVALID", message, { cause });
}
