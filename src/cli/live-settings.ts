// Limits, leases and timeouts as a running server goes by them: whoever has them reads them anew each time, so that a
// reload counts from then on.
import type { Config } from "../config/schema.js";
import { SwitchyardError } from "../core/errors.js";
import type { Reloadable } from "./reload.js";

type Settings = Pick<Config, "limits" | "lease" | "timeouts">;

export class LiveSettings implements Settings {
  #settings: Settings;
  readonly reloadable: readonly Reloadable[];

  constructor(config: Settings & Pick<Config, "runner">) {
    this.#settings = config;
    this.reloadable = [
      { name: "limits", apply: ({ limits }) => this.#take({ limits }) },
      { name: "timeouts", apply: ({ timeouts }) => this.#take({ timeouts }) },
      {
        name: "lease",
        apply: ({ lease }) => {
          requireGrace(lease.max_s, config.runner.grace_s);
          this.#take({ lease });
        },
      },
    ];
  }

  get limits(): Settings["limits"] {
    return this.#settings.limits;
  }

  get lease(): Settings["lease"] {
    return this.#settings.lease;
  }

  get timeouts(): Settings["timeouts"] {
    return this.#settings.timeouts;
  }

  #take(settings: Partial<Settings>): void {
    this.#settings = { limits: this.limits, lease: this.lease, timeouts: this.timeouts, ...settings };
  }
}

/** The runners that there are keep the grace with which they began, whatever the configuration says by now. */
function requireGrace(leaseMaxS: number, graceS: number): void {
  if (leaseMaxS <= graceS) return;
  const text = `lease.max_s is ${leaseMaxS}, and the runners' grace is ${graceS} s (runner.grace_s) until a restart`;
  throw new SwitchyardError("CONFIG_INVALID", text);
}
