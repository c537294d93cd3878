// What a TLS failure means to whoever has to mend it. grpc-js gives it as text within text, with OpenSSL's words in it.

const MEANING: readonly (readonly [RegExp, string])[] = [
  [/ALTNAME_INVALID|does not match certificate/, "the server's certificate is for another name (tls.serverName)"],
  [
    /self-signed certificate|unable to (get|verify)/,
    "the server's certificate is not from a CA that is trusted (tls.ca)",
  ],
  [/certificate has expired/, "the server's certificate has expired"],
  [/certificate is not yet valid/, "the server's certificate is not valid yet: a clock is wrong, or it is too new"],
  [
    /alert certificate required|alert handshake failure/,
    "the server asks for a client certificate (tls.cert, tls.key)",
  ],
  [/alert (unknown ca|bad certificate|certificate)/, "the server refused the client certificate (tls.cert)"],
  [/wrong version number|packet length too long/, "the server does not speak TLS there: try without tls"],
];

/** Undefined: the text is of no such failure. */
export function tlsFailureIn(details: string): string | undefined {
  const meaning = MEANING.find(([pattern]) => pattern.test(details))?.[1];
  return meaning === undefined ? undefined : `${meaning}: ${lastError(details)}`;
}

/** Without what grpc-js puts around it, and without the places in OpenSSL's source. */
function lastError(details: string): string {
  const within = /Last error: (?:Error: )?(.*?)(?: \(\d{4}-[^)]*\))?\. Resolution note/s.exec(details)?.[1] ?? details;
  return (/SSL routines:[^:]*:([^:]+)/.exec(within)?.[1] ?? within).trim();
}
