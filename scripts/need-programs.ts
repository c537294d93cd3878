// What a bench or the demo runs on this machine itself, looked for before it begins.
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** Throws when one is missing: `packages` names, for each program, what Debian has it in. */
export function needPrograms(packages: Readonly<Record<string, string>>, path = process.env.PATH ?? ""): void {
  const folders = path.split(":").filter((folder) => folder !== "");
  const missing = Object.entries(packages).filter(([program]) => !folders.some((folder) => isThere(folder, program)));
  if (missing.length === 0) return;
  const programs = missing.map(([program]) => program).join(", ");
  const install = missing.map(([, debian]) => debian).join(" ");
  throw new Error(`not found in ${path}: ${programs}; install it (Debian: apt install ${install})`);
}

function isThere(folder: string, program: string): boolean {
  try {
    accessSync(join(folder, program), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
