// What this package says of itself: its version, and the Node that it needs.
import { readFileSync } from "node:fs";
import { packageFile } from "../backend/package-files.js";

export function packageVersion(): string {
  return field(manifest(), "version") ?? "unknown";
}

/** The oldest Node that is good enough, from `engines`. */
export function nodeVersionMin(): string {
  const engines = manifest().engines;
  return (field(engines, "node") ?? "").replace(/^\D*/, "");
}

function manifest(): Record<string, unknown> {
  const parsed: unknown = JSON.parse(readFileSync(packageFile("package.json"), "utf8"));
  return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
}

function field(values: unknown, name: string): string | undefined {
  const entries = typeof values === "object" && values !== null ? Object.entries(values) : [];
  const value: unknown = entries.find(([key]) => key === name)?.[1];
  return typeof value === "string" ? value : undefined;
}
