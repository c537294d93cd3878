// From what `perf script -F comm,pid,tid,ip,sym` prints to a tree of frames, which a flame graph draws. One tree holds all that the
// machine did; its first level is who did it.

export type FrameKind = "process" | "kernel" | "native" | "script";

export interface Frame {
  readonly name: string;
  readonly kind: FrameKind;
  /** Samples in which it was on the stack. */
  samples: number;
  readonly callees: Map<string, Frame>;
}

const HEAD = /^(\S.*?)\s+(\d+)(?:\/\d+)?\s*$/;
const FRAME = /^\s+([0-9a-f]+)\s+(.*)$/;
/** V8 names compiled functions so: the kind and the tier, the name, and where it is written. */
const COMPILED = /^(?:JS|Function|LazyCompile|Script|Eval|RegExp|BytecodeHandler|Builtin)[:^*~+]*(.*)$/;
const PLACE = /\s+(?:file:\/\/)?(\S*?)([^/\s]+):(\d+):\d+$/;

/** `processOf` names who did it, of the command and the process id. */
export function framesOf(script: string, processOf: (command: string, pid: number) => string): Frame {
  const root = frame("all", "process");
  for (const block of script.split("\n\n")) {
    const [head = "", ...lines] = block.split("\n").filter((line) => line.trim() !== "");
    const match = HEAD.exec(head);
    if (match === null || lines.length === 0) continue;
    const [, command = "", pid = ""] = match;
    root.samples += 1;
    let at = enter(root, processOf(command, Number(pid)), "process");
    for (const line of lines.reverse()) {
      const [, address = "", symbol = ""] = FRAME.exec(line) ?? [];
      const { name, kind } = named(address, symbol);
      // Recursion and inlining would only make it taller.
      if (name !== at.name) at = enter(at, name, kind);
    }
  }
  return root;
}

function named(address: string, symbol: string): { name: string; kind: FrameKind } {
  if (address.length === 16 && address.startsWith("ffffff")) return { name: symbol, kind: "kernel" };
  const [, compiled] = COMPILED.exec(symbol) ?? [];
  if (compiled !== undefined) return { name: placed(compiled), kind: "script" };
  return symbol === "[unknown]" ? { name: "(no symbol)", kind: "native" } : { name: symbol, kind: "native" };
}

function placed(compiled: string): string {
  const place = PLACE.exec(compiled);
  if (place === null) return compiled.trim() || "(anonymous)";
  const name = compiled.slice(0, place.index).trim() || "(anonymous)";
  return `${name} ${place[2]}:${place[3]}`;
}

function enter(from: Frame, name: string, kind: FrameKind): Frame {
  const known = from.callees.get(name) ?? frame(name, kind);
  from.callees.set(name, known);
  known.samples += 1;
  return known;
}

function frame(name: string, kind: FrameKind): Frame {
  return { name, kind, samples: 0, callees: new Map() };
}
