// Keys as groups that one `tmux send-keys` takes each: tmux refuses commands of more than 16 KiB, and Linux arguments of
// more than 128.

const GROUP_BYTES_MAX = 4_096;
/** No name of a key is longer, so what is longer is text. */
const NAME_BYTES_MAX = 128;

/** For the `send` of tmux-source.ts: kind, count and keys of each group. */
export function keyFields(keys: readonly string[]): string[] {
  const groups: string[][] = [];
  let group: string[] = [];
  let bytes = 0;
  const close = () => {
    if (group.length > 0) groups.push(["k", String(group.length), ...group]);
    group = [];
    bytes = 0;
  };
  for (const key of keys) {
    const length = Buffer.byteLength(key);
    if (length > NAME_BYTES_MAX) {
      close();
      groups.push(...pieces(key).map((piece) => ["l", "1", piece]));
      continue;
    }
    if (bytes + length > GROUP_BYTES_MAX) close();
    group.push(key);
    // An empty one is a byte too.
    bytes += length + 1;
  }
  close();
  return groups.flat();
}

/** By whole characters. */
function pieces(text: string): string[] {
  const found: string[] = [];
  let piece = "";
  let bytes = 0;
  for (const character of text) {
    const length = Buffer.byteLength(character);
    if (bytes + length > GROUP_BYTES_MAX) {
      found.push(piece);
      piece = "";
      bytes = 0;
    }
    piece += character;
    bytes += length;
  }
  return [...found, piece];
}
