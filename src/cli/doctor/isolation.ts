// What isolation each pool really gets, proven by a container with its settings; and, for information, which other levels
// would work.
import type { Config, PoolConfig } from "../../config/schema.js";
import { messageOf } from "../../core/errors.js";
import { poolSettings } from "../backend.js";
import { type Check, note, ok, problem, warning } from "./check.js";
import { explain, type Surroundings } from "./explain.js";
import { type Trial, type TrialSettings, Trials } from "./trial.js";

const LEVELS = { docker: ["namespace", "uid", "container"], process: ["namespace", "uid"] } as const;

export interface IsolationOptions {
  readonly config: Config;
  readonly backend: "docker" | "process";
  /** Pools that are known not to start, which are left out. */
  readonly hopeless: ReadonlySet<string>;
  readonly securityOptions: readonly string[];
  readonly signal: AbortSignal;
}

/** Each check comes when it is made; none when there is no pool to try. */
export async function* checkIsolation(options: IsolationOptions): AsyncGenerator<Check> {
  const { config, backend, hopeless, signal } = options;
  const pools = Object.entries(config.pools).filter(([name]) => !hopeless.has(name));
  if (pools.length === 0) return;
  let trials: Trials;
  try {
    trials = await Trials.on(backend, trialSettings(config, pools, backend), signal);
  } catch (error) {
    yield problem("isolation", messageOf(error), "nothing was tried: mend this first");
    return;
  }
  try {
    const known = new Map<string, Known>();
    for (const [name, pool] of pools) {
      const kind = known.get(kindOf(pool, backend)) ?? { levels: new Set(), failures: new Set() };
      known.set(kindOf(pool, backend), kind);
      yield await tryPool(name, pool, trials, options, kind);
    }
    const kinds = new Map(pools.map((entry) => [kindOf(entry[1], backend), entry]));
    for (const [kind, [name, pool]] of kinds) {
      for (const level of LEVELS[backend]) {
        if (known.get(kind)?.levels.has(level)) continue;
        const trial = await trials.try(`${name}/${level}`);
        if (!trial.works && known.get(kind)?.failures.has(trial.reason)) continue;
        yield otherLevel(level, kinds.size > 1 ? ` (${kind})` : "", trial, surroundings(pool, options));
      }
    }
  } finally {
    await trials.close();
  }
}

/** What the trials of a kind of pool have told; it need not be said twice. */
interface Known {
  readonly levels: Set<string>;
  readonly failures: Set<string>;
}

/** Pools whose containers differ only in their limits have the same levels. */
function kindOf({ image, runtime }: PoolConfig, backend: "docker" | "process"): string {
  return backend === "docker" ? `image ${image}, runtime ${runtime}` : "this machine";
}

/** Each pool as it is configured, by its name, and at each level by `NAME/LEVEL`. */
function trialSettings(config: Config, pools: readonly [string, PoolConfig][], backend: "docker" | "process") {
  return new Map<string, TrialSettings>(
    pools.flatMap(([name, pool]) => {
      const settings = poolSettings(config, pool);
      const at = (isolation: string) => ({ ...settings, isolation, slots: 1, requireSandbox: false });
      return [[name, settings], ...LEVELS[backend].map((level) => [`${name}/${level}`, at(level)] as const)];
    }),
  );
}

function surroundings({ image, runtime }: PoolConfig, { backend, securityOptions }: IsolationOptions): Surroundings {
  return { backend, image, runtime, securityOptions };
}

async function tryPool(
  name: string,
  pool: PoolConfig,
  trials: Trials,
  options: IsolationOptions,
  known: Known,
): Promise<Check> {
  const check = `pools.${name}.isolation`;
  const where = surroundings(pool, options);
  const trial = await trials.try(name);
  known.levels.add(pool.isolation);
  if (!trial.works) {
    known.failures.add(trial.reason);
    return problem(check, trial.reason, explain(trial.reason, where));
  }
  known.levels.add(trial.isolation);
  const found = `${trial.isolation}, ${trial.networkIsolated ? "no network" : "with network"}; a container and its first call took ${trial.seconds.toFixed(1)} s`;
  if (pool.isolation !== "auto" && trial.isolation === pool.isolation && trial.isolation !== "none")
    return ok(check, found);
  if (trial.isolation === "namespace") return ok(check, found);
  if (pool.isolation === "none") {
    return warning(check, `${found}; turned off by configuration`, "set isolation: auto, unless you trust what runs");
  }
  known.levels.add("namespace");
  const why = await trials.try(`${name}/namespace`);
  const reason = why.works ? "level namespace failed once, and works now" : why.reason;
  const price = trial.isolation === "none" ? "commands run WITHOUT A SANDBOX" : "weaker than namespace";
  return warning(check, `${found}; ${price}, because ${reason}`, explain(reason, where));
}

function otherLevel(level: string, where: string, trial: Trial, surroundings: Surroundings): Check {
  if (trial.works) return ok(`isolation.${level}`, `would work as well${where}`);
  return note(`isolation.${level}`, `would not work${where}: ${trial.reason}`, explain(trial.reason, surroundings));
}
