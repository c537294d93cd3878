// Latencies as an HDR histogram: microseconds with three digits, up to an hour, in 95 kB whatever their number. Those of several
// processes add up to what one process would have seen. (hdr-histogram-js: the port of HdrHistogram's own project.)
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from "hdr-histogram-js";

const US_MAX = 3_600_000_000;
/** Points of a curve for each halving of what is left of 100%. */
const POINTS_PER_HALVING = 5;

/** Milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
}

export interface CurvePoint {
  readonly percentile: number;
  readonly ms: number;
}

export class Latencies {
  readonly #histogram: Histogram;

  constructor(histogram?: Histogram) {
    this.#histogram =
      histogram ??
      build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: US_MAX,
        numberOfSignificantValueDigits: 3,
        bitBucketSize: 32,
        useWebAssembly: false,
      });
  }

  /** As `encode` wrote them. */
  static decode(text: string): Latencies {
    return new Latencies(decodeFromCompressedBase64(text, 32, false, US_MAX));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(ms: number): void {
    this.recordUs(Math.round(ms * 1000));
  }

  recordUs(us: number): void {
    this.#histogram.recordValue(Math.min(US_MAX, Math.max(0, us)));
  }

  add(other: Latencies): void {
    this.#histogram.add(other.#histogram);
  }

  /** HdrHistogram's own text form (V2, compressed, base64), which its tools read. */
  encode(): string {
    return encodeIntoCompressedBase64(this.#histogram);
  }

  /** Milliseconds; 0 when nothing was recorded. */
  percentile(percent: number): number {
    return this.count === 0 ? 0 : this.#histogram.getValueAtPercentile(percent) / 1000;
  }

  summary(): LatencySummary {
    return {
      count: this.count,
      mean: this.count === 0 ? 0 : this.#histogram.mean / 1000,
      p50: this.percentile(50),
      p75: this.percentile(75),
      p90: this.percentile(90),
      p95: this.percentile(95),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      p9999: this.percentile(99.99),
      max: this.percentile(100),
    };
  }

  /** Denser towards 100%, as far as the number of latencies can say something. */
  curve(): CurvePoint[] {
    const points: CurvePoint[] = [];
    for (let step = 0; step === 0 || 2 ** (step / POINTS_PER_HALVING) <= this.count; step += 1) {
      const percentile = 100 * (1 - 2 ** (-step / POINTS_PER_HALVING));
      points.push({ percentile, ms: this.percentile(percentile) });
    }
    return points;
  }
}

export function merged(parts: readonly Latencies[]): Latencies {
  const sum = new Latencies();
  for (const part of parts) sum.add(part);
  return sum;
}
