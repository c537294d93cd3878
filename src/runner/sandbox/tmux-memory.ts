// What a slot remembers of its tmux sessions from call to call. It outlives servers, as the sessions do.

export interface TmuxMemory {
  /** Sessions that were begun, or tried. */
  begun: number;
  /** The one that the actions are about; 0: none. */
  current: number;
  /** Bytes of its recording that were read. */
  offset: number;
}

export function noTmux(): TmuxMemory {
  return { begun: 0, current: 0, offset: 0 };
}
