// The `tmux` operation. A child of the launcher does the work in the slot, as the slot's user (tmux-source.ts); here its
// answer becomes a result. What it wrote to stdout is what the recording grew by meanwhile: the call's live output.
import { recordingOf, TMUX_SIZE_MAX, type TmuxAction } from "../../core/tmux.js";
import { exactText } from "../output-text.js";
import { LINE_BYTES_MAX } from "../sandbox/tmux-keeper.js";
import type { TmuxMemory } from "../sandbox/tmux-memory.js";
import { TMUX_SOURCE } from "../sandbox/tmux-source.js";
import type { Slot } from "../slot.js";
import { environment } from "./bash.js";
import { failureOf } from "./files.js";
import { type Finished, finishedWith, type TmuxState } from "./finished.js";
import { keyFields } from "./keys.js";
import { type Limits, type LiveSink, type Supervised, supervise } from "./supervise.js";

/** A wait ends so long before the timeout would end it, or a quarter of the timeout. */
const MARGIN_S = 1;
const WORDS = { operation: "Tmux action", died: "The sandbox died during the tmux action" };

export async function runTmux(
  slot: Slot,
  action: TmuxAction,
  limits: Limits,
  cancelled: AbortSignal,
  live?: LiveSink,
): Promise<Finished> {
  const memory = slot.tmux;
  if (action.kind !== "start" && memory.current === 0) {
    return finishedWith("TOOL_FAILED", "No tmux session: use action start first");
  }
  if (action.kind === "start") memory.begun += 1;
  const follows = live !== undefined || limits.noOutputTimeoutS > 0;
  const fields = fieldsOf(action, memory, limits, follows);
  const run = await slot.run(slot.script(TMUX_SOURCE, environment(slot), fields));
  // Their own timeouts are about what the pane prints, which is on stdout.
  const done = await supervise(run, limits, cancelled, live && onlyStdout(live));
  const failed = failureOf(done, done.stderr.kept().head.toString("utf8"), limits, WORDS);
  return failed ?? answerOf(action, memory, done, limits);
}

function fieldsOf(action: TmuxAction, memory: TmuxMemory, limits: Limits, follows: boolean): string[] {
  const { begun, current, offset } = memory;
  switch (action.kind) {
    case "start":
      return ["start", ...[begun, action.paneWidth, action.paneHeight, current, Number(action.reset)].map(String)];
    case "send_keys": {
      const { block, minWaitS, maxWaitS, keys } = action;
      const most = Math.max(minWaitS, maxWaitS ?? limits.timeoutS - Math.min(MARGIN_S, limits.timeoutS / 4));
      return ["send", ...[current, Number(block), minWaitS, most, Number(follows)].map(String), ...keyFields(keys)];
    }
    case "capture":
      return ["capture", ...[current, Number(action.entire)].map(String)];
    case "stream":
      return ["stream", ...[current, action.reset ? 0 : offset, streamMax(action.bytesMax, limits)].map(String)];
    case "stop":
      return ["stop", String(current)];
    default:
      return action satisfies never;
  }
}

/** At least a line, whatever was asked for. */
function streamMax(bytesMax: number | undefined, { charsMax }: Limits): number {
  return Math.min(bytesMax ?? charsMax, charsMax);
}

function answerOf(action: TmuxAction, memory: TmuxMemory, done: Supervised, limits: Limits): Finished {
  const { stderr } = done;
  // Anything in the slot may have written into the answer too.
  const answer = stderr.kept().head.toString("utf8");
  switch (action.kind) {
    case "start": {
      const [, how, width, height] = /^(started|kept) (\d{1,5}) (\d{1,5})\n$/.exec(answer) ?? [];
      if (how === "kept") memory.begun -= 1;
      if (how === "started") Object.assign(memory, { current: memory.begun, offset: 0 });
      // What the slot's code may have had a hand in must not become a frame that no honest runner sends.
      const paneWidth = Math.min(Number(width ?? action.paneWidth), TMUX_SIZE_MAX);
      const paneHeight = Math.min(Number(height ?? action.paneHeight), TMUX_SIZE_MAX);
      return says("started", { paneWidth, paneHeight, kept: how === "kept", number: memory.current });
    }
    case "send_keys":
      return says("ok", action.block ? { done: answer === "done" } : undefined);
    case "capture": {
      const { text, truncated } = exactText(stderr, limits.charsMax);
      return { ...says(text, undefined), truncated, outputBytes: stderr.bytes };
    }
    case "stream": {
      const { text, truncated } = exactText(stderr, Math.max(streamMax(action.bytesMax, limits), LINE_BYTES_MAX));
      if (truncated) return finishedWith("TOOL_FAILED", `${recordingOf(memory.current)} is not as it was written`);
      memory.offset = (action.reset ? 0 : memory.offset) + stderr.bytes;
      const state = { offset: memory.offset, number: memory.current };
      return { ...says(text, state), outputBytes: stderr.bytes };
    }
    case "stop":
      return says("stopped", undefined);
    default:
      return action satisfies never;
  }
}

function says(output: string, tmux: TmuxState | undefined): Finished {
  return { ...finishedWith("OK", ""), output, outputBytes: Buffer.byteLength(output), ...(tmux && { tmux }) };
}

function onlyStdout(live: LiveSink): LiveSink {
  return {
    get isHolding() {
      return live.isHolding;
    },
    push: (name, chunk, source) => {
      if (name === "stdout") live.push(name, chunk, source);
    },
    commandEnded: () => live.commandEnded(),
  };
}
