// `switchyard top`: what a server does, again and again: a full screen on a terminal, one JSON line per sample with --json,
// one table with --once or where nobody sees a screen. Invariant: however it ends, the terminal is as it was.
import { setTimeout as wait } from "node:timers/promises";
import { type StatusSample, SwitchyardClientError, type WatchOptions } from "../../client/index.js";
import type { ConnectionFlags } from "./connection.js";
import { isUnreachable, whyUnreachable } from "./exit.js";
import { jsonLine, named, sampleJson } from "./json.js";
import { type Rates, ratesBetween } from "./rates.js";
import { runClient, type Surroundings } from "./run.js";
import { Screen } from "./screen.js";
import { headLines, poolLines, type ScreenState, screenLines, trajectoryLines } from "./status-table.js";
import { hasColours, styleOf } from "./style.js";

export interface TopFlags extends ConnectionFlags {
  /** Seconds. */
  readonly interval: number;
  readonly trajectories: number;
  readonly once?: boolean;
  readonly json?: boolean;
}

/** More than a screen has lines. */
const SCREEN_TRAJECTORIES = 200;
const AGAIN_MS = 1_000;

export function top(flags: TopFlags): Promise<void> {
  return runClient(flags, "short", async (around) => {
    const isScreen = process.stdout.isTTY && !flags.once && !flags.json;
    const options = {
      intervalMs: flags.interval * 1000,
      trajectoriesMax: isScreen ? SCREEN_TRAJECTORIES : flags.trajectories,
    };
    if (isScreen) await onScreen(around, options);
    else if (flags.json) await asJson(around, options, flags.once === true);
    else await asTable(around, options);
    return 0;
  });
}

async function onScreen({ client, server, signal }: Surroundings, options: WatchOptions): Promise<void> {
  const style = styleOf(hasColours(process.stdout, process.env));
  const quit = new AbortController();
  signal.addEventListener("abort", () => quit.abort(signal.reason), { once: true });
  let state: ScreenState | undefined;
  let screen: Screen | undefined;
  const draw = () => {
    if (state) screen?.draw((size) => (state ? screenLines(state, size, style) : []));
  };
  try {
    for await (const step of followed({ client, server, signal: quit.signal }, options)) {
      state = { ...step, server };
      // Not before there is something to show: an error belongs on the screen that the user had.
      screen ??= new Screen({ onResize: draw, onQuit: () => quit.abort() });
      draw();
    }
  } catch (error) {
    if (!quit.signal.aborted) throw error;
  } finally {
    screen?.close();
  }
  signal.throwIfAborted();
}

async function asJson({ client, server, signal }: Surroundings, options: WatchOptions, once: boolean): Promise<void> {
  let before: StatusSample | undefined;
  for await (const sample of client.watchStatus({ ...options, signal })) {
    const rates = ratesBetween(before, sample);
    // One sample alone has no rates.
    if (!once || before) process.stdout.write(jsonLine(lineOf(server, sample, rates)));
    if (once && before) return;
    before = sample;
  }
}

async function asTable({ client, server, signal }: Surroundings, options: WatchOptions): Promise<void> {
  let before: StatusSample | undefined;
  for await (const sample of client.watchStatus({ ...options, signal })) {
    if (before) {
      const rates = ratesBetween(before, sample);
      const lines = [...headLines(sample.status, server, rates, styleOf(false)), "", ...poolLines(sample.status), ""];
      process.stdout.write(`${[...lines, ...trajectoryLines(sample, rates)].join("\n")}\n`);
      return;
    }
    before = sample;
  }
}

/** Samples; while the server is away, the last one again with what the trouble is. Throws when there never was one. */
async function* followed(
  { client, server, signal }: Surroundings,
  options: WatchOptions,
): AsyncGenerator<Omit<ScreenState, "server">> {
  let last: { readonly sample: StatusSample; readonly rates: Rates | undefined } | undefined;
  for (;;) {
    try {
      for await (const sample of client.watchStatus({ ...options, signal })) {
        last = { sample, rates: ratesBetween(last?.sample, sample) };
        yield { ...last, trouble: undefined };
      }
    } catch (error) {
      if (signal.aborted || !last || !mayPass(error)) throw error;
      yield { sample: last.sample, rates: undefined, trouble: troubleText(error, server) };
    }
    await wait(AGAIN_MS, undefined, { signal });
  }
}

function mayPass(error: unknown): error is SwitchyardClientError {
  const passing = ["UNAVAILABLE", "RESOURCE_EXHAUSTED"];
  return error instanceof SwitchyardClientError && (isUnreachable(error) || passing.includes(error.code ?? ""));
}

function troubleText(error: SwitchyardClientError, server: string): string {
  const why = isUnreachable(error) ? whyUnreachable(error) : error.message;
  return `no server answers at ${server} (${why}); trying again`;
}

function lineOf(server: string, sample: StatusSample, rates: Rates | undefined): object {
  const { trajectoryCallsPerS: _, ...shown } = rates ?? {};
  return { time: new Date().toISOString(), server, ...sampleJson(sample), rates: rates ? named(shown) : null };
}
