// What a reload takes over, what it leaves, and what it says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveSettings } from "../../src/cli/live-settings.js";
import { type Reloadable, Reloader } from "../../src/cli/reload.js";
import { loadConfig } from "../../src/config/load.js";
import { RELOADABLE } from "../../src/config/reloadable.js";
import type { Config } from "../../src/config/schema.js";
import type { Logger } from "../../src/core/log.js";

class Lines implements Logger {
  readonly said: string[] = [];
  debug(): void {}
  info = (fields: object, message: string) => this.#add(fields, message);
  warn = this.info;
  error = this.info;
  child(): Logger {
    return this;
  }

  #add(fields: object, message: string): void {
    this.said.push(`${message} ${JSON.stringify(fields)}`);
  }
}

function configOf(env: Record<string, string> = {}): Config {
  return loadConfig({ env, flags: {} });
}

function reloader(table: readonly Reloadable[], next: () => Config) {
  const log = new Lines();
  return { log, reloader: new Reloader(configOf(), next, table, log) };
}

test("what can be taken over is, by name; the rest waits, and is named again each time", async () => {
  const levels: string[] = [];
  const level: Reloadable = { name: "log.level", apply: ({ log }) => void levels.push(log.level) };
  const next = configOf({
    SWITCHYARD_LOG_LEVEL: "debug",
    SWITCHYARD_BATCH_SIZE_MAX: "7",
    SWITCHYARD_TOOL_SERVER_TOKEN: "hunter2",
  });
  const { log, reloader: it } = reloader([level], () => next);
  await Promise.all([it.reload(), it.reload()]);
  assert.deepEqual(levels, ["debug"]);
  const waiting = '["batch.size_max","tool_server.token"]';
  const warning = `needs a restart: batch.size_max, tool_server.token {"options":${waiting}}`;
  assert.deepEqual(log.said, [
    warning,
    'configuration reloaded {"reloaded":["log.level"]}',
    warning,
    'configuration reloaded {"reloaded":[]}',
  ]);
});

test("one that refuses keeps what was, is asked again next time, and keeps no other", async () => {
  let refuses = true;
  const limits: Reloadable = {
    name: "limits",
    apply: () => {
      if (refuses) throw new Error("not now");
    },
  };
  const files: string[] = [];
  const tls: Reloadable = { name: "tls", always: true, apply: async () => void files.push("read") };
  const { log, reloader: it } = reloader([limits, tls], () => configOf({ SWITCHYARD_LIMITS_STREAMS_MAX: "5" }));
  await it.reload();
  refuses = false;
  await it.reload();
  assert.deepEqual(files, ["read", "read"]);
  assert.deepEqual(log.said, [
    'not reloaded: what was before goes on {"option":"limits","reason":"not now"}',
    'configuration reloaded {"reloaded":[]}',
    'configuration reloaded {"reloaded":["limits.streams_max"]}',
  ]);
});

test("an invalid configuration changes nothing", async () => {
  const { log, reloader: it } = reloader([], () => configOf({ SWITCHYARD_BATCH_SIZE_MAX: "0" }));
  await it.reload();
  assert.equal(log.said.length, 1);
  assert.match(log.said[0] ?? "", /^configuration not reloaded: .*batch\.size_max is 0/);
});

test("limits, timeouts and leases are those of the last reload; no lease outlasts the runners that there are", () => {
  const live = new LiveSettings(configOf());
  const next = configOf({
    SWITCHYARD_LIMITS_STREAMS_MAX: "5",
    SWITCHYARD_TIMEOUTS_MAX_S: "50",
    SWITCHYARD_LEASE_MAX_S: "7000",
    SWITCHYARD_RUNNER_GRACE_S: "7000",
  });
  const { limits, timeouts, lease } = live;
  const refused = live.reloadable.flatMap((row) => {
    try {
      void row.apply(next);
      return [];
    } catch (error) {
      return [`${row.name}: ${error}`];
    }
  });
  assert.equal(refused.length, 1);
  assert.match(refused[0] ?? "", /^lease: .*7000, and the runners' grace is 3900 s/);
  assert.deepEqual([live.limits.streams_max, live.timeouts.max_s, live.lease.max_s], [5, 50, 3600]);
  assert.deepEqual([limits.streams_max, timeouts.max_s, lease.max_s], [10_000, 600, 3600]);
  for (const { name } of live.reloadable) assert.ok(RELOADABLE.includes(name));
});
