// Which isolation a runner may say that it proved.
import type { Isolation } from "./backend.js";

const ISOLATIONS: readonly string[] = ["namespace", "uid", "container", "none"] satisfies Isolation[];

export function isIsolation(text: string): text is Isolation {
  return ISOLATIONS.includes(text);
}
