// What a file is called to be, by the extension of its name alone.
import { lookup } from "mime-types";

export function mimeTypeOf(path: string): string {
  return lookup(path.slice(path.lastIndexOf("/") + 1)) || "application/octet-stream";
}
