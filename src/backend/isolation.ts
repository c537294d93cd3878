// What a runner may claim to have proven.
import type { Isolation } from "./backend.js";

const ISOLATIONS: readonly string[] = ["namespace", "uid", "container", "none"] satisfies Isolation[];

export function isIsolation(text: string): text is Isolation {
  return ISOLATIONS.includes(text);
}
