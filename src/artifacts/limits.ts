// Bounds of transfers that no request can go over, and what holds where a request does not say; proto/switchyard/v1 names
// them.

const GIB = 1024 ** 3;

export const BYTES_DEFAULT = GIB;
export const BYTES_MAX = 16 * GIB;
export const LIST_ENTRIES_DEFAULT = 1_000;
export const LIST_ENTRIES_MAX = 10_000;
/** Of archives, in both directions. */
export const ARCHIVE_ENTRIES_MAX = 100_000;
export const PATH_BYTES_MAX = 4_096;
/** Things that an archive's trailer names as left out. */
export const LEFT_OUT_NAMED_MAX = 100;
/** Of their names and reasons in it, so that it fits a message. */
export const LEFT_OUT_BYTES_MAX = 512 * 1024;

/** What a client asked for, within bounds; 0 asks for the default. */
export function bounded(asked: number, otherwise: number, most: number): number {
  return asked === 0 ? otherwise : Math.min(asked, most);
}
