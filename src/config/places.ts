// Where in its YAML file an option stands.
import { type Document, isMap, isNode, isScalar, isSeq, type LineCounter } from "yaml";

/** The line of the option at this path, or of the nearest section around it that the file has; undefined when it has none. */
export function lineOf(document: Document, lines: LineCounter, path: readonly string[]): number | undefined {
  let node: unknown = document.contents;
  let line: number | undefined;
  for (const key of path) {
    const found = childOf(node, key);
    if (found === undefined) break;
    if (isNode(found.at) && found.at.range) line = lines.linePos(found.at.range[0]).line;
    node = found.value;
  }
  return line;
}

function childOf(node: unknown, key: string): { at: unknown; value: unknown } | undefined {
  if (isSeq(node)) {
    const item: unknown = node.items[Number(key)];
    return item === undefined ? undefined : { at: item, value: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item) => (isScalar(item.key) ? String(item.key.value) : "") === key);
  return pair && { at: pair.key, value: pair.value };
}
