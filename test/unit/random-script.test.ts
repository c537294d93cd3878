// The generator of random scripts draws all that it is there to draw, and the same from the same seed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../src/load/random.js";
import { randomScript } from "../support/random-script.js";

const SCRIPTS = Array.from({ length: 1000 }, (_, seed) => randomScript(new Random(seed), { ends: true }));

/** Each in so many scripts of a thousand, at least. */
const FEATURES: Readonly<Record<string, readonly [atLeast: number, pattern: RegExp]>> = {
  "single quotes": [300, /'[^']*'/],
  "double quotes": [300, /"[^"]*"/],
  "ANSI-C quotes": [50, /\$'/],
  "quotes within quotes": [30, /'\\''/],
  "unclosed quotes": [5, /echo ['"]unclosed/],
  heredocs: [100, /<<'?END'?\n/],
  "heredocs with tabs": [30, /<<-END/],
  "here strings": [50, /<<</],
  subshells: [200, /^\( /m],
  "command substitutions": [100, /\$\(/],
  pipes: [50, /\| cat/],
  functions: [50, /\(\) \{/],
  "background jobs": [50, /& wait/],
  "exits of the shell": [40, /^exit \d/m],
  "exits of subshells": [50, /\nexit \d+ \)/],
  "set -e": [20, /set -e/],
  exec: [20, /exec echo/],
  "signals to itself": [20, /kill -\w+ \$\$/],
  "signals to a subshell": [50, /kill -\w+ \$BASHPID/],
  traps: [50, /trap '/],
  unicode: [200, /größe|日本語|🚂/u],
  "bytes that are no text": [50, /printf '\\x[89a-f]/],
  "output to stderr": [200, />&2/],
  "what is no bash": [40, /if true; then$|^fi$|echo \)$|for in do$|a=\(1$/m],
};

for (const [name, [atLeast, pattern]] of Object.entries(FEATURES)) {
  test(name, () => {
    const count = SCRIPTS.filter((script) => pattern.test(script)).length;
    assert.ok(count >= atLeast, `${count} of 1000`);
  });
}

test("the same seed gives the same script, and seeds differ", () => {
  assert.equal(randomScript(new Random(7), { ends: true }), SCRIPTS[7]);
  assert.ok(new Set(SCRIPTS).size > 990);
});
