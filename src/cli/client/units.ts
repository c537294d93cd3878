// Figures as people read them, and texts that are safe to show on a terminal.

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `12 B`, `3.4 MiB`. */
export function bytesText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${BYTE_UNITS[unit] ?? "B"}`;
}

/** `0.3s`, `12s`, `5m07s`, `3h04m`, `2d03h`. */
export function durationText(ms: number): string {
  const s = ms / 1000;
  if (s < 9.95) return `${s.toFixed(1)}s`;
  if (s < 59.5) return `${Math.round(s)}s`;
  const minutes = Math.floor(Math.round(s) / 60);
  if (minutes < 60) return `${minutes}m${two(Math.round(s) % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** Control characters, which a slot's code may have put into a name, as `\xNN`: they would drive the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
