// The runner's end of one slot's warden: has it make a cell for each opening of the slot, and learns from it that nothing of
// the cell is left.
//
//   starting ─ready→ free ─open→ taken ─ready→ free        from each: gone
//
// Invariant: a cell is gone when the warden has said so after it looked, or when the kernel has emptied the warden's own pid
// namespace, which every cell is inside of.
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { openFifo, socketOf } from "./fifo.js";
import { type Home, lastLinesRead } from "./home.js";
import { readLines } from "./lines.js";
import { Program } from "./program.js";
import type { SandboxEntry } from "./sandbox.js";

const READY = /^ready ([01]) (.*)$/;

export class Warden {
  readonly #program: Program;
  readonly #ready: Promise<void>;
  #setReady: () => void = () => undefined;
  /** Which FIFOs are next. */
  #turn = "";
  #cell: Cell | undefined;
  #isGone = false;
  /** Resolves with the reason when it is gone, and with it the sandbox. */
  readonly gone: Promise<string>;

  /** `channel` is the channel folder as the runner sees it. */
  constructor(
    entry: SandboxEntry,
    private readonly channel: string,
  ) {
    this.#program = new Program(entry);
    readLines(
      this.#program.output,
      (line) => this.#obey(line),
      () => this.destroy(),
    );
    this.#ready = new Promise((resolve) => {
      this.#setReady = resolve;
    });
    this.gone = this.#program.gone.then((how) => {
      this.#isGone = true;
      this.#cell?.end(how);
      return how;
    });
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** A home for one launcher; the one before is gone. Rejects when the warden goes first. */
  async open(): Promise<Home> {
    await Promise.race([this.#ready, this.gone.then((how) => Promise.reject(new Error(how)))]);
    const output = socketOf(openFifo(join(this.channel, `out.${this.#turn}`), "read"), "read");
    const input = socketOf(openFifo(join(this.channel, `in.${this.#turn}`), "write"), "write");
    const cell = new Cell(input, output, () => this.#program.input.write("close\n"));
    this.#cell = cell;
    this.#program.forgetWords();
    this.#program.input.write("open\n");
    return cell;
  }

  destroy(): void {
    this.#program.destroy();
  }

  #obey(line: string): void {
    const [, turn, how = ""] = READY.exec(line) ?? [];
    if (turn === undefined) return this.destroy();
    this.#turn = turn;
    const cell = this.#cell;
    this.#cell = undefined;
    if (!cell) return this.#setReady();
    const words = this.#program.lastWords;
    void lastLinesRead(cell.output).then(() => cell.end(words ? `${how}: ${words}` : how));
  }
}

class Cell implements Home {
  readonly gone: Promise<string>;
  #setGone: (how: string) => void = () => undefined;
  #isClosing = false;

  constructor(
    readonly input: Writable,
    readonly output: Readable,
    private readonly close: () => void,
  ) {
    this.gone = new Promise((resolve) => {
      this.#setGone = resolve;
    });
    // The launcher has ended: what it was pid 1 of has ended with it, and the warden is asked for its word.
    output.once("close", () => this.destroy());
  }

  destroy(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.close();
  }

  /** For its warden: it is gone. */
  end(how: string): void {
    this.#isClosing = true;
    this.input.destroy();
    this.output.destroy();
    this.#setGone(how);
  }
}
