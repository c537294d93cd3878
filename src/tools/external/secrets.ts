// What the configuration tells external servers in confidence, kept out of all that they say: a server may print its own
// environment, and what it says goes to models, logs and slots.

/** Shorter values are found in ordinary text, which would be spoilt. */
const CHARS_MIN = 6;
const SECRET_NAME = /KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH/i;

export class Secrets {
  readonly #values: readonly string[];

  constructor(values: Iterable<string>) {
    const unique = new Set([...values].filter(({ length }) => length >= CHARS_MIN));
    // One that holds another goes first.
    this.#values = [...unique].sort((a, b) => b.length - a.length);
  }

  /** The text with `[secret]` for each of them, where it stands as it is (not encoded). */
  redact(text: string): string {
    return this.#values.reduce((clean, value) => clean.replaceAll(value, "[secret]"), text);
  }
}

/** What is secret in one server's settings: credentials whole and without their scheme, and variables named like one. */
export function secretsOf(server: {
  readonly url: string;
  readonly token: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}): string[] {
  const headers = Object.values(server.headers ?? {});
  const bare = headers.map((value) => value.replace(/^\S+\s+/, ""));
  const env = Object.entries(server.env ?? {}).filter(([name]) => SECRET_NAME.test(name));
  const query = URL.canParse(server.url) ? new URL(server.url).searchParams : new URLSearchParams();
  const inQuery = [...query].filter(([name]) => SECRET_NAME.test(name));
  return [server.token, ...headers, ...bare, ...[...env, ...inQuery].map(([, value]) => value)];
}
