// Where the package's own files are, whether the server runs from src/ or from dist/src/.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function packageRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === "/") throw new Error(`no package.json in ${here} nor above it: this is not the whole package`);
  }
}

/** Absolute path of a file of the package, such as `dist/runner.mjs`. */
export function packageFile(...parts: string[]): string {
  return join(packageRoot(), ...parts);
}

/** The runner as one file, made by the build. */
export const RUNNER_BUNDLE = packageFile("dist", "runner.mjs");

/** The launcher of this machine's architecture, which the runner finds beside itself. */
export const LAUNCHER = packageFile("dist", `launcher-${process.arch}`);
