// `tmux`: a terminal in the trajectory's slot, for programs that want one.
import type { JsonObject } from "../core/json.js";
import { PANE_HEIGHT, PANE_WIDTH, type TmuxAction } from "../core/tmux.js";
import { type ArgumentReader, InvalidArguments } from "./arguments.js";
import { objectSchema, type PlannedOperation, type Tool } from "./tool.js";

/** What a wait may be asked for; what there is of it is the call's timeout. */
const WAIT_S_MAX = 86_400;
/** A timeout that nobody set is at least so much longer than the wait that was asked for. */
const AFTER_WAIT_S = 5;
const KEYS_MAX = 1_000;
const KEYS_BYTES_MAX = 65_536;
/** Of an unknown action, in the error's text. */
const NAME_CHARS_MAX = 100;

const ACTIONS = ["start", "send_keys", "capture", "stream", "stop"];

export const tmux: Tool = {
  name: "tmux",
  description:
    "Drives a terminal of the trajectory's own, in which a shell runs: for interactive and full-screen programs. " +
    "start begins it, send_keys types, capture shows the screen, stream reads its recording (asciicast v2), stop ends it.",
  parameters: objectSchema(
    {
      action: { type: "string", enum: ACTIONS, description: "What to do" },
      pane_width: { type: "integer", ...range(PANE_WIDTH), description: "start: columns; 120 by default" },
      pane_height: { type: "integer", ...range(PANE_HEIGHT), description: "start: rows; 40 by default" },
      keys: {
        type: ["string", "array"],
        items: { type: "string" },
        description: "send_keys: text, or names of keys as tmux has them (Enter, C-c, Escape, Up), or a list of both",
      },
      block: { type: "boolean", description: "send_keys: wait until the shell shows its prompt again" },
      min_wait_s: { type: "number", minimum: 0, description: "send_keys: seconds to wait at least" },
      max_wait_s: { type: "number", minimum: 0, description: "send_keys with block: seconds to wait at most" },
      capture_entire: { type: "boolean", description: "capture: also what was scrolled out of sight" },
      reset: {
        type: "boolean",
        description: "stream: read from the beginning; start: end a session that runs, and begin anew",
      },
      max_bytes: { type: "integer", minimum: 1, description: "stream: bytes to read at most" },
      timeout: { type: "number", description: "Seconds that the call may take" },
    },
    ["action"],
  ),
  plan(args) {
    const name = args.text("action");
    switch (name) {
      case "start":
        return planned({
          kind: "start",
          paneWidth: size(args, "pane_width", PANE_WIDTH),
          paneHeight: size(args, "pane_height", PANE_HEIGHT),
          reset: args.flag("reset"),
        });
      case "send_keys":
        return plannedKeys(args);
      case "capture":
        return planned({ kind: "capture", entire: args.flag("capture_entire") });
      case "stream": {
        const bytesMax = args.bytes("max_bytes");
        return planned({ kind: "stream", reset: args.flag("reset"), ...(bytesMax !== undefined && { bytesMax }) });
      }
      case "stop":
        return planned({ kind: "stop" });
      default:
        throw new InvalidArguments(`Unknown tmux action: ${name.slice(0, NAME_CHARS_MAX)}`);
    }
  },
};

function plannedKeys(args: ArgumentReader): PlannedOperation {
  const keys = args.texts("keys", { countMax: KEYS_MAX, bytesMax: KEYS_BYTES_MAX });
  const block = args.flag("block");
  const minWaitS = args.number("min_wait_s", 0, WAIT_S_MAX) ?? 0;
  const maxWaitS = args.number("max_wait_s", 0, WAIT_S_MAX);
  const action = { kind: "send_keys", keys, block, minWaitS, ...(maxWaitS !== undefined && { maxWaitS }) } as const;
  const longest = Math.max(minWaitS, (block && maxWaitS) || 0);
  return {
    ...planned(action),
    metadata: { stateful: true, blocked: block },
    ...(longest > 0 && { timeoutDefaultS: longest + AFTER_WAIT_S }),
  };
}

function planned(action: TmuxAction): PlannedOperation {
  return { operation: { kind: "tmux", action }, metadata: { stateful: true }, isCommand: true, isStateful: true };
}

function size(
  args: ArgumentReader,
  name: string,
  { min, max, default: otherwise }: typeof PANE_WIDTH | typeof PANE_HEIGHT,
) {
  return Math.floor(args.number(name, min, max) ?? otherwise);
}

function range({ min, max }: typeof PANE_WIDTH | typeof PANE_HEIGHT): JsonObject {
  return { minimum: min, maximum: max };
}
