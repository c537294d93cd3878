// The `tmux` operation as a runner is told it, and what a runner says of the session, checked.
import type { JsonObject } from "../core/json.js";
import { recordingOf, TMUX_SESSION, TMUX_SIZE_MAX, type TmuxAction } from "../core/tmux.js";
import type { Tmux, TmuxState } from "../gen/switchyard/runner/v1/runner.js";

export function tmuxFrame(action: TmuxAction): Tmux {
  switch (action.kind) {
    case "start": {
      const { paneWidth, paneHeight, reset } = action;
      return { action: { $case: "start", value: { paneWidth, paneHeight, reset } } };
    }
    case "send_keys": {
      const { keys, block, minWaitS, maxWaitS } = action;
      return { action: { $case: "sendKeys", value: { keys: [...keys], block, minWaitS, maxWaitS } } };
    }
    case "capture":
      return { action: { $case: "capture", value: { entire: action.entire } } };
    case "stream": {
      const { reset, bytesMax } = action;
      const value = { reset, bytesMax: bytesMax === undefined ? undefined : BigInt(bytesMax) };
      return { action: { $case: "stream", value } };
    }
    case "stop":
      return { action: { $case: "stop", value: {} } };
    default:
      return action satisfies never;
  }
}

/** Sessions that a slot can have had. */
const NUMBER_MAX = 1_000_000;

/** Whether an honest runner can have sent it. */
export function isPossible({ paneWidth, paneHeight, number, offset }: TmuxState): boolean {
  const sizes = paneWidth <= TMUX_SIZE_MAX && paneHeight <= TMUX_SIZE_MAX;
  return sizes && number <= NUMBER_MAX && (offset ?? 0n) <= Number.MAX_SAFE_INTEGER;
}

export function tmuxMetadata({ paneWidth, paneHeight, kept, number, done, offset }: TmuxState): JsonObject {
  return {
    ...(paneWidth > 0 && { pane_width: paneWidth, pane_height: paneHeight, session: TMUX_SESSION }),
    ...(kept && { kept }),
    ...(offset !== undefined && { offset: Number(offset) }),
    ...(number > 0 && { recording: recordingOf(number) }),
    ...(done !== undefined && { done }),
  };
}
