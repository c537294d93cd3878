// Every dependency in package-lock.json, those of the development too, has a licence that licences.ts allows, or a reason
// here why it may be used all the same. Exit 1, and a line for each that has neither.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { complaints, type LockedPackage } from "./licences.js";

/** Name of a package to the reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "@modelcontextprotocol/server-everything":
    "runs in tests, and is part of nothing that is shipped; its package names a file that it lacks",
  buildcheck: "MIT, in a form of package.json that npm does not read; not shipped",
  "cpu-features": "MIT, in a form of package.json that npm does not read; not shipped",
  ssh2: "MIT, in a form of package.json that npm does not read; not shipped",
};

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lock: { packages: Record<string, LockedPackage> } = JSON.parse(
  readFileSync(join(root, "package-lock.json"), "utf8"),
);
const { packages } = lock;
const found = complaints(packages, EXCEPTIONS);
console.log(
  found.length === 0
    ? `licences: ${Object.keys(packages).length - 1} packages, all allowed`
    : `licences (scripts/licences.ts has what is allowed):\n${found.join("\n")}`,
);
process.exitCode = found.length === 0 ? 0 : 1;
