// The `tmux` operation's ends on the link.
import type { TmuxAction } from "../../core/tmux.js";
import type { Tmux, TmuxState as TmuxStateFrame } from "../../gen/switchyard/runner/v1/runner.js";
import type { TmuxState } from "./finished.js";

export function tmuxAction({ action }: Tmux): TmuxAction {
  switch (action?.$case) {
    case undefined:
      throw new Error("no tmux action");
    case "start":
      return { kind: "start", ...action.value };
    case "sendKeys": {
      const { keys, block, minWaitS, maxWaitS } = action.value;
      return { kind: "send_keys", keys, block, minWaitS, ...(maxWaitS !== undefined && { maxWaitS }) };
    }
    case "capture":
      return { kind: "capture", ...action.value };
    case "stream": {
      const { reset, bytesMax } = action.value;
      return { kind: "stream", reset, ...(bytesMax !== undefined && { bytesMax: Number(bytesMax) }) };
    }
    case "stop":
      return { kind: "stop" };
    default:
      return action satisfies never;
  }
}

export function tmuxFrame({ paneWidth, paneHeight, kept, number, done, offset }: TmuxState): TmuxStateFrame {
  return {
    paneWidth: paneWidth ?? 0,
    paneHeight: paneHeight ?? 0,
    kept: kept ?? false,
    number: number ?? 0,
    done,
    offset: offset === undefined ? undefined : BigInt(offset),
  };
}
