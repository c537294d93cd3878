// `switchyard token`: makes a bearer token, and what of it belongs into the configuration. Nobody keeps the token itself: it
// is shown once.
import { createHash, randomBytes } from "node:crypto";
import { TOKEN_NAME, TOKEN_PREFIX } from "../config/auth-schema.js";

const RANDOM_BYTES = 32;

export function token(name: string | undefined, { json = false }: { readonly json?: boolean }): void {
  const made = makeToken(name);
  if (made.name.startsWith(TOKEN_PREFIX) || !TOKEN_NAME.test(made.name)) {
    const rule = `a token's name must be 1 to 64 of A-Z a-z 0-9 . _ - and not begin with ${TOKEN_PREFIX}`;
    process.stderr.write(`switchyard: ${rule}\n`);
    process.exitCode = 1;
    return;
  }
  process.stdout.write(json ? `${JSON.stringify(made)}\n` : inWords(made));
}

interface MadeToken {
  readonly name: string;
  readonly token: string;
  readonly sha256: string;
}

/** Without a name it gets one that tells it from others. */
function makeToken(name: string | undefined): MadeToken {
  const text = TOKEN_PREFIX + randomBytes(RANDOM_BYTES).toString("base64url");
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { name: name ?? `token-${sha256.slice(0, 8)}`, token: text, sha256 };
}

function inWords({ name, token: text, sha256 }: MadeToken): string {
  return `${text}

# The line above is the token, for its client: it is not shown again.
# This is for the server's configuration:
auth:
  tokens:
    - name: ${name}
      sha256: ${sha256}
`;
}
