// One attack by the code in a slot, run at every isolation level, each time in a server and containers of its own. What it
// came to is said in few words, taken from what was seen, and must be what is written down for that level. Files of
// test/adversarial hold nothing but attacks, so that their list can be had without running them.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { test } from "node:test";
import type Docker from "dockerode";
import { CallStatus, Fault, type ToolResult } from "../../src/gen/switchyard/v1/call.js";
import { containersOf, type DockerService, docker, eventually, startDocker } from "./docker-engine.js";
import type { CallFields } from "./live-service.js";
import { isWhole } from "./suite-size.js";
import type { TrajectoryClient } from "./trajectory-client.js";

const TWO_SLOTS = { slots_per_container: 2, min_containers: 1, max_containers: 1 };
// One more than there must be: a container that ends and the one in its place may both count for a moment.
const TWO_CONTAINERS = { slots_per_container: 1, min_containers: 2, max_containers: 3, isolation: "container" };

/** The pool of each level. Attacker and neighbour share a container where the level lets slots share one. */
export const LEVELS = {
  namespace: { ...TWO_SLOTS, isolation: "namespace" },
  uid: { ...TWO_SLOTS, isolation: "uid" },
  container: TWO_CONTAINERS,
  "container (runsc)": { ...TWO_CONTAINERS, runtime: "runsc" },
} as const;

export type Level = keyof typeof LEVELS;

const ALL_LEVELS = Object.keys(LEVELS) as Level[];
export interface Attack {
  /** As the table shows it: short, and unlike every other. */
  readonly name: string;
  /** What it must come to, in the words that `run` resolves with. */
  readonly expected: Readonly<Partial<Record<Level, string>>>;
  /** The levels that it means anything at; absent: all of them. */
  readonly levels?: readonly Level[];
  /** Only in the whole suite. */
  readonly whole?: boolean;
  /** Pool settings beside those of the level. */
  readonly pool?: object;
  /** Settings of the server beside its pool. */
  readonly settings?: object;
  /** How long one level may take before it counts as hung; 300 s when absent. */
  readonly timeoutS?: number;
  /** What the attack came to. */
  readonly run: (arena: Arena) => Promise<string>;
}

/** An attack as it is written down; `expected` has the levels at which it is run. */
export interface Declared {
  readonly name: string;
  readonly expected: Attack["expected"];
}

let declared: Declared[] | undefined;

export function attack(it: Attack): void {
  const levels = it.levels ?? ALL_LEVELS;
  for (const level of levels) assert.ok(it.expected[level], `${it.name}: nothing is expected at ${level}`);
  if (declared) {
    const expected = Object.fromEntries(levels.map((level) => [level, it.expected[level]]));
    declared.push({ name: it.name, expected });
    return;
  }
  if (it.whole && !isWhole) return;
  for (const level of isWhole ? levels : levels.filter((name) => name === "namespace")) {
    test(`${it.name} [${level}]`, { timeout: (it.timeoutS ?? 300) * 1000 }, async (t) => {
      const live = await startDocker(t, { ...LEVELS[level], ...it.pool }, it.settings);
      const expected = it.expected[level];
      const note = (outcome: string) => record({ attack: it.name, level, outcome, expected });
      try {
        const outcome = await it.run(new Arena(level, live, t));
        note(outcome);
        assert.equal(outcome, expected);
      } catch (error) {
        if (!(error instanceof assert.AssertionError && error.expected === expected)) note("test failed");
        throw error;
      }
    });
  }
}

/** What the attacks of these files are, instead of running them. */
export async function declaredIn(files: readonly string[]): Promise<readonly Declared[]> {
  const found: Declared[] = [];
  declared = found;
  for (const file of files) await import(file);
  declared = undefined;
  return found;
}

function record(row: object): void {
  const file = process.env.ATTACK_LOG;
  if (file) appendFileSync(file, `${JSON.stringify(row)}\n`);
}

/** Where one attack takes place. */
export class Arena {
  readonly #streams = new Map<string, Promise<TrajectoryClient>>();

  constructor(
    readonly level: Level,
    readonly live: DockerService,
    /** Of node:test, for what must be undone and for figures. */
    readonly test: { after(cleanUp: () => Promise<void>): void; diagnostic(text: string): void },
  ) {}

  /** The stream of the hostile code. */
  get attacker(): Promise<TrajectoryClient> {
    return this.stream("attacker");
  }

  /** The stream of a trajectory that is to notice nothing. */
  get neighbour(): Promise<TrajectoryClient> {
    return this.stream("neighbour");
  }

  /** Opened when it is first asked for. */
  stream(trajectoryId: string): Promise<TrajectoryClient> {
    const stream = this.#streams.get(trajectoryId) ?? this.live.open({ trajectoryId });
    this.#streams.set(trajectoryId, stream);
    return stream;
  }

  /** Ends a trajectory; resolves once its slot is wiped, or its container gone. */
  async release(trajectoryId: string): Promise<void> {
    const stream = await this.stream(trajectoryId);
    stream.send({ $case: "release", value: { resetWorkspace: true } });
    assert.equal((await stream.first("released")).wiped, true, `the slot of ${trajectoryId} was not wiped`);
    this.#streams.delete(trajectoryId);
  }

  /** What a command of the attacker prints; it must end by itself, with whatever exit code. */
  async hostile(command: string, fields?: CallFields): Promise<string> {
    return outputOf(await (await this.attacker).bash(command, fields));
  }

  /** The same for the neighbour. */
  async harmless(command: string, fields?: CallFields): Promise<string> {
    return outputOf(await (await this.neighbour).bash(command, fields));
  }

  /** A program instead of a command line: `interpreter` reads it from a file in the workspace. */
  async program(interpreter: string, source: string, fields?: CallFields): Promise<string> {
    const stream = await this.attacker;
    const written = await stream.call("write_file", { path: "program", content: source });
    assert.equal(written.status, CallStatus.CALL_STATUS_OK, written.error);
    return outputOf(await stream.bash(`${interpreter} program`, fields));
  }

  /** The container that a trajectory's slot is in. */
  async containerOf(trajectoryId: string): Promise<Docker.Container> {
    const ids = await containersOf(this.live.instance);
    if (ids.length === 1 && ids[0]) return docker.getContainer(ids[0]);
    const hostname = outputOf(await (await this.stream(trajectoryId)).bash("hostname"));
    const id = ids.find((it) => it.startsWith(hostname));
    assert.ok(hostname && id, `no container is named ${hostname}`);
    return docker.getContainer(id);
  }

  /**
   * Does what may cost the attacker its slot, and says whether it did: `slot kept`, `slot lost` or `slot lost, container
   * retired`. Fails unless the attacker can go on, in its old slot or a new one, and the neighbour is unharmed.
   */
  async slotAfter(act: (attacker: TrajectoryClient) => Promise<unknown>): Promise<string> {
    const [attacker] = await Promise.all([this.attacker, this.neighbour]);
    const container = await this.containerOf("attacker");
    await this.assertNeighbourUnharmed();
    await act(attacker);
    await this.assertNeighbourUnharmed();
    // What is under way when the slot's end is found ends with it; the next one gets a new slot.
    let last: ToolResult;
    do last = await attacker.bash("echo alive");
    while (last.fault === Fault.FAULT_INFRASTRUCTURE);
    assert.equal(last.output, "alive", last.error);
    if (last.slotGeneration === 1) return "slot kept";
    await attacker.first("slotLost");
    if (!this.level.startsWith("container")) return "slot lost";
    const isGone = async () => !(await containersOf(this.live.instance)).includes(container.id);
    await eventually("the container is gone", isGone);
    return "slot lost, container retired";
  }

  /** Fails unless the neighbour still has its first slot and works; call it after the attack. */
  async assertNeighbourUnharmed(): Promise<void> {
    const result = await (await this.neighbour).bash("echo unharmed");
    assert.equal(result.output, "unharmed", result.error);
    assert.equal(result.slotGeneration, 1, "the neighbour lost its slot");
  }
}

/** Of a call whose command ran to its end; stdout and stderr, trimmed. */
export function outputOf(result: ToolResult): string {
  const ends = [CallStatus.CALL_STATUS_OK, CallStatus.CALL_STATUS_NONZERO_EXIT, CallStatus.CALL_STATUS_SIGNALED];
  assert.ok(ends.includes(result.status), `${CallStatus[result.status]}: ${result.error}`);
  return result.output;
}

export function seconds(count: number) {
  return { seconds: BigInt(count), nanos: 0 };
}
