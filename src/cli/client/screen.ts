// A terminal as one screen: the alternate one, so that what was there before comes back, however the process ends.

export interface ScreenEvents {
  /** The size has changed: draw again. */
  onResize(): void;
  /** `q` or Ctrl-C. */
  onQuit(): void;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?7l";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
/** Before a line is written: after one that is as wide as the screen it would take the last character. */
const CLEAR_LINE = "\u001b[2K";
const QUIT_KEYS = new Set(["q", "Q", "\u0003"]);

export class Screen {
  readonly #onData = (keys: Buffer) => {
    if ([...keys.toString("latin1")].some((key) => QUIT_KEYS.has(key))) this.events.onQuit();
  };
  readonly #onExit = () => this.close();
  #isOpen = true;

  constructor(private readonly events: ScreenEvents) {
    process.once("exit", this.#onExit);
    process.stdout.write(ENTER);
    process.stdout.on("resize", this.events.onResize);
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      process.stdin.on("data", this.#onData);
    }
  }

  /** As many lines as it has rows. */
  draw(lines: (size: Size) => readonly string[]): void {
    const { columns, rows } = process.stdout;
    const cleared = lines({ columns, rows }).map((line) => `${CLEAR_LINE}${line}`);
    if (this.#isOpen) process.stdout.write(`${HOME}${cleared.join("\r\n")}`);
  }

  /** Idempotent. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off("exit", this.#onExit);
    process.stdout.off("resize", this.events.onResize);
    if (process.stdin.isTTY) {
      process.stdin.off("data", this.#onData);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    process.stdout.write(LEAVE);
  }
}
