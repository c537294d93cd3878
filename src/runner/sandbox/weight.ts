// What a slot holds that is seen only from inside it: in no process's own memory, and in no file that has a name. Its
// launcher looks, as the slot's user, and may be wrong once it is taken over: then the slot is watched less well. On that
// occasion it makes a crowd of processes yield to others (launcher/weight.c).

export interface Weight {
  /** Bytes of memory in memfds and System V segments. */
  readonly memory: number;
  /** Bytes on disk of files that are deleted and still open. */
  readonly disk: number;
  /** Files in the fullest of its file systems in memory. */
  readonly entries: number;
}

export const NO_WEIGHT: Weight = { memory: 0, disk: 0, entries: 0 };

const LINE = /^weighs (\d{1,15}) (\d{1,15}) (\d{1,15})$/;

/** Nothing, for a line that no honest launcher writes. */
export function readWeight(line: string): Weight {
  const [, memory, disk, entries] = (LINE.exec(line) ?? []).map(Number);
  return { memory: memory ?? 0, disk: disk ?? 0, entries: entries ?? 0 };
}
