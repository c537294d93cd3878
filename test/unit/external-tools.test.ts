// Which server a call goes to, and how it ends whatever that server does.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SwitchyardError } from "../../src/core/errors.js";
import { ExternalError } from "../../src/tools/external/external-outcome.js";
import { type ExternalRun, ExternalTools, type Place } from "../../src/tools/external/external-tools.js";
import type { Provider, ProviderRequest } from "../../src/tools/external/provider.js";
import { Secrets } from "../../src/tools/external/secrets.js";
import { FakeClock } from "../support/fake-clock.js";
import { TestLog } from "../support/grpc-service.js";
import { okOutcome } from "../support/outcomes.js";

type Call = Provider["call"];

function world(call: Call, names: readonly string[] = []) {
  const clock = new FakeClock();
  const log = new TestLog();
  const closed: string[] = [];
  const place = (name: string): Place => ({
    provider: {
      call,
      list: async () => names.map((tool) => ({ name: tool, description: name, parameters: {} })),
      close: async () => void closed.push(name),
    },
    ...{ concurrencyMax: 1, trajectoryConcurrencyMax: 1, timeoutDefaultS: 30 },
  });
  const external = new ExternalTools({
    ...{ toolServer: place("tool server"), declared: [], mcpServers: new Map([["mcp", place("mcp")]]) },
    ...{ secrets: new Secrets(["hunter2"]), clock, log },
  });
  const start = (name: string, fields: Partial<ExternalRun> = {}) => {
    const route = external.route(name);
    assert(route && "run" in route);
    const { signal } = new AbortController();
    const run = { principal: "", trajectoryId: "t", uniqId: "u", signal, begin: () => undefined, ...fields };
    return route.run({ arguments: { timeout: 1 }, timeoutS: 5 }, run);
  };
  return { clock, log, closed, external, start };
}

/** Ends with its signal, as providers do. */
const hanging: Call = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

describe("an external call", () => {
  test("goes to the server that its name says, with the name that it has there", async () => {
    const got: ProviderRequest[] = [];
    const { start } = world(async (request) => {
      got.push(request);
      return okOutcome(request.tool);
    });
    for (const name of ["search", "mcp.look.at", "other.look"]) await start(name);
    assert.deepEqual(
      got.map(({ tool }) => tool),
      ["search", "look.at", "other.look"],
    );
    const { signal: _, ...rest } = got[0] ?? assert.fail();
    const call = {
      arguments: { timeout: 1 },
      timeoutS: 5,
      tool: "search",
      principal: "",
      trajectoryId: "t",
      uniqId: "u",
    };
    assert.deepEqual(rest, call);
  });

  test("has a time of its own, which begins when it is sent", async () => {
    const { clock, start } = world(hanging);
    const first = start("search");
    const begun: number[] = [];
    const second = start("search", {
      begin: () => {
        begun.push(clock.now());
        return undefined;
      },
    });
    await clock.advance(5000);
    const { status, error, metadata } = await first;
    assert.deepEqual([status, error], ["EXTERNAL_FAILED", "External tool failed: no answer within 5 s"]);
    assert.deepEqual(metadata, { external: true, timeout: 5 });
    assert.deepEqual(begun, [5000]);
    await clock.advance(5000);
    assert.equal((await second).status, "EXTERNAL_FAILED");
    assert.equal(clock.timers, 0);
  });

  test("is taken back with its signal, and leaves its place", async () => {
    const { start } = world(hanging);
    const abort = new AbortController();
    const calls = [start("search", { signal: abort.signal }), start("search", { signal: abort.signal })];
    abort.abort(new Error("enough"));
    for (const end of await Promise.allSettled(calls))
      assert.equal(end.status === "rejected" && end.reason.message, "enough");
  });

  test("is not sent when its trajectory says no", async () => {
    const { start } = world(() => assert.fail("sent"));
    const begin = () => {
      throw new SwitchyardError("SLOT_CHANGED", "another slot");
    };
    for (let count = 0; count < 2; count += 1) await assert.rejects(start("search", { begin }), /another slot/);
  });

  test("fails with its server's reason, and a bug without a word of it", async () => {
    const failing = world(() => Promise.reject(new ExternalError("connection refused")));
    assert.equal((await failing.start("search")).error, "External tool failed: connection refused");
    const buggy = world(() => Promise.reject(new TypeError("bug with hunter2")));
    assert.equal((await buggy.start("search")).error, "External tool failed: internal error");
    assert.match(JSON.stringify(buggy.log.errors), /bug with \[secret\]/);
  });
});

test("the lists of all servers are one, and a name is its owner's", async () => {
  const { external } = world(hanging, ["search", "mcp.search"]);
  const listed = (await external.list()).map(({ name, description }) => `${description}: ${name}`);
  assert.deepEqual(listed, ["tool server: search", "mcp: mcp.search", "mcp: mcp.mcp.search"]);
});

test("all servers are closed", async () => {
  const { external, closed } = world(hanging);
  await external.close();
  assert.deepEqual(closed, ["tool server", "mcp"]);
});
