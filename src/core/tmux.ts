// The tmux session of a slot, as everybody names it and what belongs to it.

/** Its name within its own tmux server. */
export const TMUX_SESSION = "switchyard";

/** The n-th session of a slot is recorded here, in the workspace. */
export function recordingOf(number: number): string {
  return `.tmux-${number}.asciinema.cast`;
}

export const PANE_WIDTH = { min: 20, max: 500, default: 120 } as const;
export const PANE_HEIGHT = { min: 10, max: 200, default: 40 } as const;

/** A slot's code may give its pane another size than it was begun with: no larger than tmux itself makes one. */
export const TMUX_SIZE_MAX = 10_000;

export type TmuxAction =
  | {
      readonly kind: "start";
      readonly paneWidth: number;
      readonly paneHeight: number;
      /** Whether a session that lives is ended before. */
      readonly reset: boolean;
    }
  | {
      readonly kind: "send_keys";
      /** Names of keys, or text, as `tmux send-keys` takes them. */
      readonly keys: readonly string[];
      /** Whether to wait until the shell shows its prompt again. */
      readonly block: boolean;
      readonly minWaitS: number;
      /** Absent: until shortly before the call's timeout. */
      readonly maxWaitS?: number;
    }
  | {
      readonly kind: "capture";
      /** With what was scrolled out of sight. */
      readonly entire: boolean;
    }
  | {
      readonly kind: "stream";
      /** From the recording's beginning. */
      readonly reset: boolean;
      /** Absent: as many as a result holds. */
      readonly bytesMax?: number;
    }
  | { readonly kind: "stop" };
