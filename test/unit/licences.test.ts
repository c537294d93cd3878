// Which licences the check of dependencies lets through, by the SPDX expressions that packages have.
import assert from "node:assert/strict";
import { test } from "node:test";
import { complaints, isAllowed } from "../../scripts/licences.js";

test("an OR needs one allowed licence, an AND both, and parentheses go first", () => {
  const allowed = new Set(["A", "B"]);
  const cases: [string, boolean][] = [
    ["A", true],
    ["X", false],
    ["A OR X", true],
    ["X OR A", true],
    ["A AND X", false],
    ["X AND A OR B", true],
    ["X AND (A OR B)", false],
    ["(A AND B) OR X", true],
    ["((A))", true],
    ["A WITH Some-exception", true],
    ["X WITH Some-exception OR Y", false],
  ];
  for (const [expression, expected] of cases) assert.equal(isAllowed(expression, allowed), expected, expression);
});

test("what is no SPDX expression is refused, not guessed at", () => {
  for (const text of ["", "(A", "A)", "A OR", "AND A", "SEE LICENSE IN LICENSE", "A B"]) {
    assert.throws(() => isAllowed(text), /SPDX expression/, text);
  }
});

test("copyleft, unknown and missing licences are named with their package; an exception that nothing needs, too", () => {
  const packages = {
    "": { version: "0.1.0" },
    "node_modules/good": { version: "1.0.0", license: "MIT" },
    "node_modules/good/node_modules/@scope/copyleft": { version: "2.0.0", license: "GPL-3.0-only" },
    "node_modules/silent": { version: "3.0.0" },
    "node_modules/excused": { version: "4.0.0", license: "UNLICENSED" },
  };
  assert.deepEqual(complaints(packages, { excused: "because", unneeded: "because" }), [
    "@scope/copyleft 2.0.0: GPL-3.0-only is not allowed",
    "silent 3.0.0: package-lock.json names no licence",
    "unneeded: is an exception, and needs none",
  ]);
});

test("a build for another platform has the licence of the package that it is a build of", () => {
  const tool = (license: string) => ({
    "node_modules/tool": { version: "1.0.0", license, optionalDependencies: { "@tool/other": "1.0.0" } },
    "node_modules/@tool/other": { version: "1.0.0", os: ["other"] },
  });
  assert.deepEqual(complaints(tool("MIT"), {}), []);
  assert.equal(complaints(tool("GPL-3.0-only"), {}).length, 2);
});
