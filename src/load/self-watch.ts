// How the harness itself fares in a client process: event-loop utilisation, how late its timers are, processor time, memory.
import { performance } from "node:perf_hooks";

export interface SelfSecond {
  /** Share of the time in which the event loop was busy, from 0 to 1. */
  readonly utilisation: number;
  /** How late a timer was at worst, in milliseconds. */
  readonly lagMaxMs: number;
  /** Processor time per second, in seconds. */
  readonly cpu: number;
  readonly rssBytes: number;
}

const PROBE_MS = 20;

export class SelfWatch {
  #loop = performance.eventLoopUtilization();
  #cpu = process.cpuUsage();
  #takenMs = performance.now();
  #lagMaxMs = 0;
  readonly #timer: NodeJS.Timeout;

  constructor() {
    let lastMs = performance.now();
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.#lagMaxMs = Math.max(this.#lagMaxMs, nowMs - lastMs - PROBE_MS);
      lastMs = nowMs;
    }, PROBE_MS);
  }

  /** Since the last time. */
  take(): SelfSecond {
    const nowMs = performance.now();
    const loop = performance.eventLoopUtilization();
    const cpu = process.cpuUsage(this.#cpu);
    const second = {
      utilisation: performance.eventLoopUtilization(loop, this.#loop).utilization,
      lagMaxMs: this.#lagMaxMs,
      cpu: (cpu.user + cpu.system) / 1000 / Math.max(1, nowMs - this.#takenMs),
      rssBytes: process.memoryUsage.rss(),
    };
    this.#loop = loop;
    this.#cpu = process.cpuUsage();
    this.#takenMs = nowMs;
    this.#lagMaxMs = 0;
    return second;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
