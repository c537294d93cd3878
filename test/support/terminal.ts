// The `tmux` tool as a test drives it, and a terminal emulator that plays what it recorded.
import assert from "node:assert/strict";
import xterm from "@xterm/headless";
import { CallStatus, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import type { LiveService } from "./live-service.js";
import type { TrajectoryClient } from "./trajectory-client.js";

type Fields = Parameters<TrajectoryClient["call"]>[2];

export class Terminal {
  #calls = 0;

  private constructor(
    readonly stream: TrajectoryClient,
    private readonly prefix: string,
  ) {}

  static async open(live: LiveService, trajectoryId: string): Promise<Terminal> {
    return Terminal.over(await live.open({ trajectoryId, env: { GREETING: "hello" } }));
  }

  /** `prefix`: of its calls' ids, unlike those of an earlier stream of the trajectory. */
  static over(stream: TrajectoryClient, prefix = "tmux"): Terminal {
    return new Terminal(stream, prefix);
  }

  tmux(action: string, args: object = {}, fields: Fields = {}): Promise<ToolResult> {
    this.#calls += 1;
    return this.stream.call("tmux", { action, ...args }, { uniqId: `${this.prefix}-${this.#calls}`, ...fields });
  }

  /** A call that must end well. */
  async does(action: string, args: object = {}, fields: Fields = {}): Promise<ToolResult> {
    const result = await this.tmux(action, args, fields);
    assert.equal(result.status, CallStatus.CALL_STATUS_OK, `${action} ${JSON.stringify(args)}: ${result.error}`);
    return result;
  }

  start(paneWidth = 80, paneHeight = 24): Promise<ToolResult> {
    return this.does("start", { pane_width: paneWidth, pane_height: paneHeight });
  }

  /** Types a command, and waits until it is done. */
  async runs(command: string): Promise<void> {
    const { metadata } = await this.does("send_keys", { keys: [command, "Enter"], block: true });
    assert.equal(metadata?.done, true, command);
  }

  type(...keys: string[]): Promise<ToolResult> {
    return this.does("send_keys", { keys });
  }

  async screen(): Promise<string> {
    return (await this.does("capture")).output;
  }

  /** Asks until the screen is as it should be. */
  async screenIs(pattern: RegExp): Promise<string> {
    for (;;) {
      const screen = await this.screen();
      if (pattern.test(screen)) return screen;
    }
  }

  /** What the recording has more, asked for until the whole of it, from the beginning, matches. */
  async recorded(pattern: RegExp): Promise<string> {
    let text = (await this.does("stream", { reset: true })).output;
    while (!pattern.test(text)) text += (await this.does("stream")).output;
    return text;
  }
}

interface Recording {
  readonly width: number;
  readonly height: number;
  /** All that was printed. */
  readonly printed: string;
  /** Texts of its markers. */
  readonly markers: readonly string[];
}

/** Asserts that it is asciicast v2: a header, then events in the order of time. */
export function parseRecording(text: string): Recording {
  assert(text.endsWith("\n"), "only whole lines");
  const [first = "", ...rest] = text.slice(0, -1).split("\n");
  const header: { version: number; width: number; height: number; timestamp: number } = JSON.parse(first);
  assert.equal(header.version, 2);
  assert(Math.abs(header.timestamp - Date.now() / 1000) < 3600);
  const events = rest.map((line) => JSON.parse(line) as [number, string, string]);
  let last = 0;
  for (const [time, kind, data] of events) {
    assert(time >= last && ["o", "m"].includes(kind) && typeof data === "string");
    last = time;
  }
  const of = (wanted: string) => events.filter(([, kind]) => kind === wanted).map(([, , data]) => data);
  return { width: header.width, height: header.height, printed: of("o").join(""), markers: of("m") };
}

/** The screen that an emulator shows after playing it, as `tmux capture-pane -p` would give it. */
export async function screenAfter({ width, height, printed }: Recording): Promise<string> {
  const terminal = new xterm.Terminal({ cols: width, rows: height, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(printed, resolve));
  const { active } = terminal.buffer;
  const lines = Array.from(
    { length: height },
    (_, row) =>
      active
        .getLine(active.baseY + row)
        ?.translateToString(true)
        .trimEnd() ?? "",
  );
  terminal.dispose();
  return `${lines.join("\n")}\n`;
}
