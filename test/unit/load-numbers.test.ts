import assert from "node:assert/strict";
import { test } from "node:test";
import { Arrivals } from "../../src/load/arrivals.js";
import { Latencies, merged } from "../../src/load/histogram.js";
import { bytes, durationMs, share, wholeNumber } from "../../src/load/quantity.js";
import { Random } from "../../src/load/random.js";
import { type Stage, shareOf, Timeline } from "../../src/load/timeline.js";

const stage = (from: number, to: number, seconds: number, warmUpS = 0): Stage => {
  return { from, to, warmUpMs: warmUpS * 1000, durationMs: seconds * 1000 };
};

function arrivalsOf(stages: readonly Stage[], seed: number, part = 1): number[] {
  const arrivals = new Arrivals(new Timeline(stages), part, new Random(seed));
  const all: number[] = [];
  for (let next = arrivals.next(); next !== undefined; next = arrivals.next()) all.push(next);
  return all;
}

test("arrivals are a Poisson process: as many as asked for, with exponential gaps", () => {
  const all = arrivalsOf([stage(500, 500, 60)], 7);
  assert.ok(Math.abs(all.length - 30_000) < 3 * Math.sqrt(30_000), `${all.length} arrivals`);
  const gaps = all.slice(1).map((at, index) => at - (all[index] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  assert.ok(Math.abs(mean - 2) < 0.05, `mean ${mean}`);
  assert.ok(Math.abs(Math.sqrt(variance) / mean - 1) < 0.03, "an exponential's deviation is its mean");
  const overTwoMeans = gaps.filter((gap) => gap > 2 * mean).length / gaps.length;
  assert.ok(Math.abs(overTwoMeans - Math.exp(-2)) < 0.01, `${overTwoMeans}`);
});

test("the same seed gives the same arrivals, another one others", () => {
  assert.deepEqual(arrivalsOf([stage(100, 100, 5)], 3), arrivalsOf([stage(100, 100, 5)], 3));
  assert.notDeepEqual(arrivalsOf([stage(100, 100, 5)], 3), arrivalsOf([stage(100, 100, 5)], 4));
});

test("arrivals follow steps and ramps, and client processes share them", () => {
  const steps = arrivalsOf([stage(100, 100, 20), stage(400, 400, 20)], 1);
  const first = steps.filter((ms) => ms < 20_000).length;
  assert.ok(Math.abs(first - 2000) < 150, `${first}`);
  assert.ok(Math.abs(steps.length - first - 8000) < 300, `${steps.length - first}`);
  const ramp = arrivalsOf([stage(100, 300, 20)], 1);
  const half = ramp.filter((ms) => ms < 10_000).length;
  assert.ok(Math.abs(half - 1500) < 130, `${half}`);
  assert.ok(Math.abs(ramp.length - half - 2500) < 170, `${ramp.length - half}`);
  assert.ok(Math.abs(arrivalsOf([stage(400, 400, 20)], 1, 1 / 4).length - 2000) < 150);
});

test("a timeline knows the level of each moment, and that warm-ups do not count", () => {
  const timeline = new Timeline([stage(10, 10, 5, 1), stage(10, 30, 10, 2)]);
  assert.equal(timeline.totalMs, 18_000);
  assert.equal(timeline.levelMax, 30);
  assert.deepEqual(timeline.at(500), { stage: 0, level: 10, counted: false });
  assert.deepEqual(timeline.at(1000), { stage: 0, level: 10, counted: true });
  assert.deepEqual(timeline.at(6500), { stage: 1, level: 10, counted: false });
  assert.deepEqual(timeline.at(13_000), { stage: 1, level: 20, counted: true });
  assert.equal(timeline.at(18_000), undefined);
});

test("processes share trajectories without losing one", () => {
  for (const [level, clients] of [
    [7, 3],
    [2, 4],
    [64, 1],
    [100, 7],
  ] as const) {
    const shares = Array.from({ length: clients }, (_, index) => shareOf(level, index, clients));
    assert.equal(
      shares.reduce((sum, each) => sum + each, 0),
      level,
    );
    assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
  }
});

test("histograms of several processes add up to what one would have seen", () => {
  const random = new Random(11);
  const samples = Array.from({ length: 20_000 }, () => random.exponential(20));
  const whole = new Latencies();
  const parts = Array.from({ length: 4 }, () => new Latencies());
  for (const [index, ms] of samples.entries()) {
    whole.record(ms);
    parts[index % 4]?.record(ms);
  }
  const sum = merged(parts.map((part) => Latencies.decode(part.encode())));
  assert.deepEqual(sum.summary(), whole.summary());
  assert.equal(sum.count, samples.length);
  samples.sort((a, b) => a - b);
  for (const percent of [50, 90, 99, 99.9]) {
    const exact = samples[Math.round((percent / 100) * samples.length) - 1] ?? 0;
    assert.ok(
      Math.abs(sum.percentile(percent) / exact - 1) < 0.002,
      `p${percent}: ${sum.percentile(percent)}, ${exact}`,
    );
  }
  const curve = whole.curve();
  assert.equal(curve[0]?.percentile, 0);
  assert.ok((curve.at(-1)?.percentile ?? 0) > 99.99);
  assert.ok(curve.every(({ ms }, index) => index === 0 || ms >= (curve[index - 1]?.ms ?? 0)));
});

test("a histogram without values is all zeros, and what is over an hour counts as an hour", () => {
  assert.deepEqual(new Latencies().summary(), {
    ...{ count: 0, mean: 0, p50: 0, p75: 0, p90: 0, p95: 0, p99: 0, p999: 0, p9999: 0, max: 0 },
  });
  const latencies = new Latencies();
  latencies.record(1e12);
  assert.ok(Math.abs(latencies.percentile(100) / 3_600_000 - 1) < 0.001);
});

test("quantities have units, and mistakes name their flag", () => {
  assert.deepEqual(
    ["500ms", "1.5s", "2m", "30", "250us"].map((text) => durationMs("--x", text)),
    [500, 1500, 120_000, 30_000, 0.25],
  );
  assert.deepEqual(
    ["4096", "64KiB", "1MiB", "7B"].map((text) => bytes("--x", text)),
    [4096, 65_536, 1_048_576, 7],
  );
  assert.deepEqual([share("--x", "0.05"), share("--x", "5%")], [0.05, 0.05]);
  assert.throws(() => durationMs("--think", "soon"), /--think: soon is no duration/);
  assert.throws(() => bytes("--mix", "64kb"), /--mix: 64kb is no size/);
  assert.throws(() => share("--failure-rate", "120%"), /--failure-rate/);
  assert.throws(() => wholeNumber("--clients", "0", 1, 9), /--clients: 0 is no whole number from 1 to 9/);
});
