// Makes of a call's two channels the text that a model reads: stdout, then `[stderr]` and stderr when there is any,
// trimmed, valid UTF-8, at most `charsMax` characters; what is too long keeps its head and tail.
import type { OutputCollector } from "./output-collector.js";

interface Text {
  readonly text: string;
  readonly truncated: boolean;
}

export function outputText(stdout: OutputCollector, stderr: OutputCollector, charsMax: number): Text {
  const err = keepEnds(stderr, charsMax);
  const out = keepEnds(stdout, charsMax);
  const whole = join(out.text, err.text);
  if (hasAtMost(whole, charsMax)) return { text: whole, truncated: out.truncated || err.truncated };
  // Both are there and too long together: stderr may take half, or what stdout leaves.
  const errShare = Math.max(Math.floor(charsMax / 2), charsMax - characters(out.text) - JOINT.length);
  const errCut = keepEnds(stderr, Math.min(errShare, charsMax));
  const outCut = keepEnds(stdout, Math.max(0, charsMax - characters(errCut.text) - JOINT.length));
  return { text: join(outCut.text, errCut.text), truncated: true };
}

/** The channel's text as it is, but for its middle when it is too long. */
export function exactText(channel: OutputCollector, charsMax: number): Text {
  return keepEnds(channel, charsMax);
}

const JOINT = "\n[stderr]\n";

function join(out: string, err: string): string {
  return (err ? `${out}${JOINT}${err}` : out).trim();
}

/** The channel's text, cut in the middle to at most `charsMax` characters with a note of how many bytes are missing. */
function keepEnds(channel: OutputCollector, charsMax: number): Text {
  const { head, tail, missing } = channel.kept();
  const isWhole = missing === 0 && (head.length <= charsMax || countChars(head) <= charsMax);
  if (isWhole) return { text: decode(head), truncated: false };
  const note = (bytes: number) => `\n[... ${bytes} bytes missing ...]\n`;
  const room = charsMax - note(channel.bytes).length;
  if (room <= 0) return { text: note(channel.bytes).trim().slice(0, charsMax), truncated: true };
  const headKept = head.subarray(0, bytesOfFirstChars(head, Math.ceil(room / 2)));
  const end = missing === 0 ? head : tail;
  const tailKept = end.subarray(end.length - bytesOfLastChars(end, Math.floor(room / 2)));
  const cut = channel.bytes - headKept.length - tailKept.length;
  return { text: decode(headKept) + note(cut) + decode(tailKept), truncated: true };
}

function decode(bytes: Buffer): string {
  return bytes.toString("utf8");
}

/** Few texts are so long that their characters have to be counted. */
function hasAtMost(text: string, charsMax: number): boolean {
  return text.length <= charsMax || characters(text) <= charsMax;
}

function characters(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xd800 && unit < 0xdc00) count -= 1;
  }
  return count;
}

/** Whether a byte goes on with a character that began before it. */
function continues(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/**
 * Characters in `bytes`, never fewer than decoding gives: a stray continuation byte decodes to a U+FFFD of its own, so
 * at most three of them belong to the byte before.
 */
function countChars(bytes: Buffer): number {
  let chars = 0;
  for (let at = 0; at < bytes.length; at = nextChar(bytes, at)) chars += 1;
  return chars;
}

function nextChar(bytes: Buffer, at: number): number {
  const lead = bytes[at] ?? 0;
  const width = widthOf(lead);
  let end = at + 1;
  if (!canFollow(lead, bytes[end])) return end;
  while (end < at + width && continues(bytes[end])) end += 1;
  return end;
}

/** After some lead bytes not every continuation makes a character: overlong forms, surrogates, beyond U+10FFFF. */
function canFollow(lead: number, second = 0): boolean {
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second < 0xa0;
  if (lead === 0xf0) return second >= 0x90;
  return lead !== 0xf4 || second < 0x90;
}

/** Bytes of the character that a lead byte announces; 1 for one that announces none. */
function widthOf(lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) return 1;
  if (lead >= 0xf0) return 4;
  return lead >= 0xe0 ? 3 : 2;
}

function bytesOfFirstChars(bytes: Buffer, chars: number): number {
  let at = 0;
  for (let count = 0; count < chars && at < bytes.length; count++) at = nextChar(bytes, at);
  return at;
}

function bytesOfLastChars(bytes: Buffer, chars: number): number {
  const total = countChars(bytes);
  return total <= chars ? bytes.length : bytes.length - bytesOfFirstChars(bytes, total - chars);
}
