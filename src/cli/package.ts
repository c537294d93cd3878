// Which version of this package runs.
import { readFileSync } from "node:fs";
import { packageFile } from "../backend/package-files.js";

export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(packageFile("package.json"), "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) return String(manifest.version);
  return "unknown";
}
