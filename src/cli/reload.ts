// SIGHUP: the configuration is read again from where it came from, and what can change in a running server does. The table
// of `Reloadable` says what can; every other option waits for a restart, and the log says which. An invalid
// configuration changes nothing. Invariant: `#running` is what the server goes by, whatever the file says.
import { changedPaths, type OptionPath, withValue } from "../config/changes.js";
import { valueAt } from "../config/raw.js";
import { isWithin, type ReloadableName } from "../config/reloadable.js";
import type { Config } from "../config/schema.js";
import { messageOf } from "../core/errors.js";
import type { Logger } from "../core/log.js";

export interface Reloadable {
  /** An option, or a section that is taken over as a whole. */
  readonly name: ReloadableName;
  /** Takes over what this configuration says of it. Throws when that cannot be; then what was before goes on. */
  apply(config: Config): void | Promise<void>;
  /** Also when no option changed, because what an option names may have: a file. */
  readonly always?: true;
}

export class Reloader {
  #running: unknown;
  #turn: Promise<void> = Promise.resolve();

  constructor(
    running: Config,
    private readonly load: () => Config,
    private readonly table: readonly Reloadable[],
    private readonly log: Logger,
  ) {
    this.#running = running;
  }

  /** One after another. Never rejects. */
  reload(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#reload());
    return this.#turn;
  }

  async #reload(): Promise<void> {
    let config: Config;
    try {
      config = this.load();
    } catch (error) {
      this.log.error({ reason: messageOf(error) }, "configuration not reloaded: what was before goes on");
      return;
    }
    const changed = changedPaths(this.#running, config);
    const reloaded: string[] = [];
    for (const row of this.table) {
      const paths = changed.filter((path) => isWithin(path, row.name));
      if (paths.length === 0 && !row.always) continue;
      if (await this.#apply(row, config, paths)) reloaded.push(...paths.map(nameOf));
    }
    const waiting = changed.filter((path) => !this.table.some((row) => isWithin(path, row.name))).map(nameOf);
    if (waiting.length > 0) this.log.warn({ options: waiting }, `needs a restart: ${waiting.join(", ")}`);
    this.log.info({ reloaded }, "configuration reloaded");
  }

  async #apply(row: Reloadable, config: Config, paths: readonly OptionPath[]): Promise<boolean> {
    try {
      await row.apply(config);
    } catch (error) {
      const fields = { option: row.name, reason: messageOf(error) };
      this.log.error(fields, "not reloaded: what was before goes on");
      return false;
    }
    for (const path of paths) this.#running = withValue(this.#running, path, valueAt(config, path));
    return true;
  }
}

function nameOf(path: OptionPath): string {
  return path.join(".");
}
