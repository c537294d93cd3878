import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { UNLIMITED } from "../../src/core/principal.js";
import { certificatePrincipal } from "../../src/grpc/authentication.js";
import { type Token, TokenBook } from "../../src/grpc/token-book.js";
import { FakeClock } from "../support/fake-clock.js";

function tokenOf(name: string, text: string, fields: Partial<Token> = {}): Token {
  return { name, sha256: createHash("sha256").update(text).digest(), allowance: UNLIMITED, ...fields };
}

const clock = new FakeClock();
const book = () => new TokenBook([tokenOf("a", "one"), tokenOf("b", "two"), tokenOf("c", "three")], clock);

test("each token is found, wherever it stands, and however the scheme is written", () => {
  for (const [name, text] of [
    ["a", "one"],
    ["b", "two"],
    ["c", "three"],
  ] as const) {
    for (const header of [`Bearer ${text}`, `bearer ${text}`, `BEARER   ${text} `]) {
      assert.equal(book().principalOf([header]), name);
    }
  }
});

test("no token, or what is none, is told how to send one", () => {
  for (const headers of [[], [""], ["one"], ["Basic one"], ["Bearer"], ["Bearer "], ["Bearer one two"]]) {
    assert.throws(() => book().principalOf(headers), {
      reason: "TOKEN_MISSING",
      message: /authorization: Bearer TOKEN/,
    });
  }
  assert.throws(() => book().principalOf(["Bearer one", "Bearer two"]), { reason: "TOKEN_MISSING", message: /once$/ });
});

test("an unknown token is refused, and neither it nor any other is named", () => {
  for (const text of ["four", "On", "onee", "ONE", "a", "x".repeat(100_000)]) {
    const refused = { reason: "TOKEN_UNKNOWN", message: /^the server does not know this token: check it/ };
    assert.throws(() => book().principalOf([`Bearer ${text}`]), refused);
  }
});

test("a token is refused from the time on that it expires", async () => {
  const expiresUnixMs = clock.unixMs() + 1000;
  const expiring = new TokenBook([tokenOf("a", "one", { expiresUnixMs })], clock);
  await clock.advance(999);
  assert.equal(expiring.principalOf(["Bearer one"]), "a");
  await clock.advance(1);
  const when = new Date(expiresUnixMs).toISOString();
  assert.throws(() => expiring.principalOf(["Bearer one"]), { reason: "TOKEN_EXPIRED", message: new RegExp(when) });
});

test("what replaces the tokens counts from the next request on; who is gone keeps the limits that he had", () => {
  const limits = { streamsMax: 1, slotsMax: 2, callsPerS: 3 };
  const replaced = new TokenBook([tokenOf("a", "one", { allowance: limits }), tokenOf("b", "two")], clock);
  replaced.replace([tokenOf("b", "new", { allowance: { ...limits, slotsMax: 9 } })]);
  assert.throws(() => replaced.principalOf(["Bearer one"]), { reason: "TOKEN_UNKNOWN" });
  assert.throws(() => replaced.principalOf(["Bearer two"]), { reason: "TOKEN_UNKNOWN" });
  assert.equal(replaced.principalOf(["Bearer new"]), "b");
  assert.deepEqual(replaced.allowanceOf("a"), limits);
  assert.equal(replaced.allowanceOf("b").slotsMax, 9);
  assert.deepEqual(replaced.allowanceOf("nobody"), UNLIMITED);
});

test("a certificate's principal is its one common name, and can be no token's", () => {
  assert.equal(certificatePrincipal("trainer 1"), "cert:trainer 1");
  for (const name of [undefined, "", ["a", "b"], "x".repeat(257)]) {
    assert.throws(() => certificatePrincipal(name), { reason: "CERTIFICATE_UNSUITABLE" });
  }
});
