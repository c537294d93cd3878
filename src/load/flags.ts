// A plan out of the flags of `switchyard bench`. Every mistake is a SwitchyardError that names the flag; what is left out gets
// the default that `--help` shows.
import { isAbsolute, resolve } from "node:path";
import { isLocalAddress } from "../core/address.js";
import { parseMix } from "./mix.js";
import {
  type LoadPlan,
  type Pace,
  STREAMS_PER_CONNECTION_MAX,
  type Target,
  type Think,
  TOKEN_VARIABLE,
} from "./plan.js";
import { durationMs, positiveNumber, share, usage, wholeNumber } from "./quantity.js";
import { type Stage, Timeline } from "./timeline.js";

/** As commander gives them. */
export interface PlanFlags {
  readonly server: string;
  readonly tls?: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly tokenFile?: string;
  readonly null?: boolean;
  readonly clients: string;
  readonly streams?: string;
  readonly connections?: string;
  readonly rate?: string;
  readonly churn?: boolean;
  readonly think: string;
  readonly duration?: string;
  readonly warmUp: string;
  readonly steps?: string;
  readonly ramp?: string;
  readonly mix: string;
  readonly failureRate: string;
  readonly cancelRate: string;
  readonly cancelAfter: string;
  readonly streamOutput?: boolean;
  readonly timeout?: string;
  readonly ackEvery: string;
  readonly pool: string;
  readonly group: string;
  readonly seed: string;
  readonly openTimeout: string;
  readonly drain: string;
}

const STREAMS_MAX = 100_000;
const RATE_MAX = 1_000_000;
const CLIENTS_MAX = 256;
const STAGES_MAX = 64;
const STREAMS_DEFAULT = 16;
const DURATION_MS_DEFAULT = 30_000;
/** Beyond it a run could not keep its seconds in memory. */
const RUN_MS_MAX = 24 * 3_600_000;

/** `env` is where a token may be, and the wish for TLS, as for the other commands of a client. */
export function planOf(flags: PlanFlags, env: NodeJS.ProcessEnv): LoadPlan {
  const pace = paceOf(flags);
  const clients = wholeNumber("--clients", flags.clients, 1, CLIENTS_MAX);
  const stages = stagesOf(flags, pace);
  const timeline = new Timeline(stages);
  if (timeline.totalMs > RUN_MS_MAX)
    throw usage("a run may take 24 hours; --duration, --steps and --ramp ask for more");
  const streams = pace === "open" ? openStreams(flags) : timeline.levelMax;
  if (streams < clients) throw usage(`--clients: ${clients} processes for ${streams} streams; give each at least one`);
  const mix = parseMix(flags.mix);
  if (pace === "churn" && mix.some(({ tool }) => tool === "read_file")) {
    throw usage("--churn: a new trajectory has no file to read; leave read_file out of --mix");
  }
  return {
    target: targetOf(flags, env),
    pace,
    think: thinkOf(flags, pace),
    stages,
    streams,
    connections: connectionsOf(flags, streams, clients),
    clients,
    mix,
    failureRate: share("--failure-rate", flags.failureRate),
    cancelRate: share("--cancel-rate", flags.cancelRate),
    cancelAfterMs: durationMs("--cancel-after", flags.cancelAfter),
    streamOutput: flags.streamOutput ?? false,
    ...(flags.timeout !== undefined && { timeoutS: durationMs("--timeout", flags.timeout) / 1000 }),
    ackEvery: wholeNumber("--ack-every", flags.ackEvery, 1, 512),
    pool: flags.pool,
    group: flags.group,
    seed: wholeNumber("--seed", flags.seed, 0, 0xffff_ffff),
    openWithinMs: bounded("--open-timeout", flags.openTimeout),
    drainMs: bounded("--drain", flags.drain),
    lenient: flags.null ?? false,
  };
}

function paceOf({ rate, churn }: PlanFlags): Pace {
  if (rate !== undefined && churn) throw usage("--rate and --churn exclude each other");
  if (churn) return "churn";
  return rate === undefined ? "closed" : "open";
}

function thinkOf({ think }: PlanFlags, pace: Pace): Think {
  const exponential = think.startsWith("exp:");
  const meanMs = durationMs("--think", exponential ? think.slice("exp:".length) : think);
  if (meanMs > 0 && pace !== "closed") throw usage("--think is for the closed loop; --rate and --churn have none");
  return { meanMs, exponential };
}

/** One stage of `--duration`, or those of `--steps` or `--ramp`, each with its warm-up. */
function stagesOf(flags: PlanFlags, pace: Pace): Stage[] {
  const { steps, ramp, duration, streams, rate } = flags;
  const warmUpMs = durationMs("--warm-up", flags.warmUp);
  const number = (flag: string, text: string) =>
    pace === "open" ? positiveNumber(flag, text, RATE_MAX) : wholeNumber(flag, text, 1, STREAMS_MAX);
  if (steps !== undefined && ramp !== undefined) throw usage("--steps and --ramp exclude each other");
  if ((steps ?? ramp) !== undefined && duration !== undefined) {
    throw usage("--duration: --steps and --ramp say themselves how long");
  }
  if (steps !== undefined) {
    const [, levels = "", each = ""] = /^([\d.,\s]+):(\S+)$/.exec(steps) ?? [];
    if (levels === "") throw usage(`--steps: ${steps} is no LEVEL,LEVEL:DURATION; write for instance 16,64,256:30s`);
    const durationOfEach = positive("--steps", each);
    const list = levels.split(",").map((level) => number("--steps", level.trim()));
    if (list.length > STAGES_MAX) throw usage(`--steps: at most ${STAGES_MAX} steps`);
    return list.map((level) => ({ from: level, to: level, warmUpMs, durationMs: durationOfEach }));
  }
  if (ramp !== undefined) {
    const [, from = "", to = "", whole = ""] = /^([\d.]+?)\.\.([\d.]+):(\S+)$/.exec(ramp) ?? [];
    if (from === "") throw usage(`--ramp: ${ramp} is no FROM..TO:DURATION; write for instance 1..256:60s`);
    const [first, last] = [number("--ramp", from), number("--ramp", to)];
    return [{ from: first, to: last, warmUpMs, durationMs: positive("--ramp", whole) }];
  }
  const level = pace === "open" ? number("--rate", rate ?? "") : number("--streams", streams ?? `${STREAMS_DEFAULT}`);
  const ms = duration === undefined ? DURATION_MS_DEFAULT : positive("--duration", duration);
  return [{ from: level, to: level, warmUpMs, durationMs: ms }];
}

function openStreams({ streams }: PlanFlags): number {
  return wholeNumber("--streams", streams ?? `${STREAMS_DEFAULT}`, 1, STREAMS_MAX);
}

/** As many as are needed at half of what a connection carries, unless it is said. */
function connectionsOf({ connections }: PlanFlags, streams: number, clients: number): number {
  if (connections === undefined) return Math.max(clients, Math.ceil(streams / (STREAMS_PER_CONNECTION_MAX / 2)));
  const number = wholeNumber("--connections", connections, 1, streams);
  if (number < clients)
    throw usage(`--connections: ${number} for ${clients} client processes; each needs one of its own`);
  // Shares of processes are whole, so one connection may have a few more streams than another.
  const perConnection = Math.ceil(Math.ceil(streams / clients) / Math.floor(number / clients));
  if (perConnection <= STREAMS_PER_CONNECTION_MAX) return number;
  throw usage(
    `--connections: ${number} would have ${perConnection} streams each; at most ${STREAMS_PER_CONNECTION_MAX}`,
  );
}

function targetOf(flags: PlanFlags, env: NodeJS.ProcessEnv): Target {
  const { server, ca, cert, key, serverName, tokenFile } = flags;
  if (!/^\S+:\d+$/.test(server)) throw usage(`--server: ${server} is no HOST:PORT`);
  if ((cert === undefined) !== (key === undefined)) throw usage("--cert and --key belong together");
  const isWished = flags.tls === true || env.SWITCHYARD_CLIENT_TLS === "true";
  const tls = isWished || [ca, cert, serverName].some((given) => given !== undefined);
  const tokenFromEnv = tokenFile === undefined && Boolean(env[TOKEN_VARIABLE]);
  if ((tokenFile !== undefined || tokenFromEnv) && !tls && !isLocalAddress(server)) {
    throw usage(`the token would go to ${server} in plain text; add --ca FILE or --tls`);
  }
  return {
    address: server,
    tls,
    tokenFromEnv,
    ...(ca !== undefined && { caFile: absolute(ca) }),
    ...(cert !== undefined && { certFile: absolute(cert) }),
    ...(key !== undefined && { keyFile: absolute(key) }),
    ...(serverName !== undefined && { serverName }),
    ...(tokenFile !== undefined && { tokenFile: absolute(tokenFile) }),
  };
}

function absolute(path: string): string {
  return isAbsolute(path) ? path : resolve(path);
}

function positive(flag: string, text: string): number {
  const ms = durationMs(flag, text);
  if (ms > 0) return ms;
  throw usage(`${flag}: ${text} is no time at all`);
}

function bounded(flag: string, text: string): number {
  const ms = durationMs(flag, text);
  if (ms <= 3_600_000) return ms;
  throw usage(`${flag}: ${text} is over an hour`);
}
