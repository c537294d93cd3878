// The scripted agent: in one trajectory it unpacks a project, puts a fault in, sees the project's own suite fail, looks
// for the fault, mends the file with write_file, and sees the suite pass. It knows the fault and nothing of the slot.
import type { ToolResult, Trajectory } from "../../src/client/index.js";
import type { Sources } from "./fetch.js";
import type { Fault, Project } from "./projects.js";
import type { SuiteSummary } from "./suite.js";

export interface Job {
  readonly id: string;
  readonly project: Project;
  readonly fault: Fault;
  readonly sources: Sources;
}

/** One call as its result told it. */
export interface CallTimes {
  readonly tool: string;
  readonly queueMs: number;
  readonly execMs: number;
}

export interface SuiteRun extends SuiteSummary {
  readonly exitCode: number;
}

/** What an agent reports while it works, and what is known of it in the end. */
export interface Repair {
  readonly calls: CallTimes[];
  before?: SuiteRun;
  after?: SuiteRun;
  /** Whether every call said that it ran in a sandbox. */
  sandboxed: boolean;
}

/** As base64 well below the 100,000 bytes that write_file takes. */
const CHUNK_BYTES = 60_000;
const QUICK_S = 60;
const SUITE_S = 300;

export class Agent {
  readonly repair: Repair = { calls: [], sandboxed: true };

  constructor(
    private readonly job: Job,
    private readonly trajectory: Trajectory,
    private readonly say: (text: string) => void,
  ) {}

  /** Throws, saying what went wrong, unless the suite failed before and passed after. */
  async run(): Promise<void> {
    const { fault } = this.job;
    await this.#unpack();
    await this.#edit(this.#path(fault.file), fault.original, fault.broken);
    this.say(`fault put into ${fault.file}`);

    const before = await this.#suite();
    this.repair.before = before;
    this.say(`suite fails: ${before.failed} of ${before.tests} tests`);
    if (before.exitCode === 0 || before.failed === 0) throw new Error("the suite passed although a fault was put in");

    const found = await this.#look();
    await this.#edit(found.path, fault.broken, fault.original);
    this.say(`mended ${found.path}:${found.line}`);

    const after = await this.#suite();
    this.repair.after = after;
    if (after.exitCode !== 0 || after.failed > 0 || after.tests === 0) {
      throw new Error(`after the repair ${after.failed} of ${after.tests} tests fail (exit code ${after.exitCode})`);
    }
    this.say(`suite passes: ${after.tests} tests`);
  }

  /** All pieces are sent at once; the trajectory keeps them in order. */
  async #unpack(): Promise<void> {
    const { archive, sha256, files } = this.job.sources;
    const pieces: Promise<ToolResult>[] = [];
    for (let offset = 0; offset < archive.length; offset += CHUNK_BYTES) {
      const content = archive.toString("base64", offset, offset + CHUNK_BYTES);
      const path = `incoming/${String(pieces.length).padStart(4, "0")}`;
      pieces.push(this.#succeed("write_file", { path, content, encoding: "base64" }));
    }
    await Promise.all(pieces);
    const check = `echo '${sha256}  sources.tar.gz' | sha256sum --check --quiet`;
    const command = `cat incoming/* > sources.tar.gz && ${check} && tar xzf sources.tar.gz && rm -r incoming sources.tar.gz`;
    await this.#succeed("bash", { command });
    this.say(`unpacked ${files} files from ${pieces.length} pieces, ${Math.round(archive.length / 1000)} kB`);
  }

  /** Finds the faulty line as an agent would: with grep, in the sources and not in what they need. */
  async #look(): Promise<{ readonly path: string; readonly line: string }> {
    const { project, fault } = this.job;
    const command = `grep -rnF --exclude-dir=node_modules -e ${quoted(fault.broken)} ${project.name}`;
    const { output } = await this.#succeed("bash", { command });
    const hits = output.split("\n").map((line) => /^([^:]+):(\d+):/.exec(line));
    const [, path, line] = hits[0] ?? [];
    if (hits.length !== 1 || path === undefined || line === undefined) {
      throw new Error(`grep found the fault ${hits.length} times:\n${lastLines(output)}`);
    }
    return { path, line };
  }

  /** Reads the file, replaces one text, and writes the file. */
  async #edit(path: string, from: string, to: string): Promise<void> {
    const { output, truncated } = await this.#succeed("read_file", { path });
    const [head, tail, ...more] = output.split(from);
    if (truncated || head === undefined || tail === undefined || more.length > 0) {
      throw new Error(`${path} (${output.length} characters) does not hold once: ${from}`);
    }
    await this.#succeed("write_file", { path, content: `${head}${to}${tail}` });
  }

  async #suite(): Promise<SuiteRun> {
    const { suite, name } = this.job.project;
    const result = await this.#call("bash", { command: `cd ${name} && ${suite.command}` }, SUITE_S);
    const summary = suite.summary(result.output);
    if (summary === undefined || result.exitCode === undefined) {
      throw new Error(`the suite has no summary: ${described("bash", result)}`);
    }
    return { ...summary, exitCode: result.exitCode };
  }

  async #succeed(tool: string, args: Record<string, unknown>): Promise<ToolResult> {
    const result = await this.#call(tool, args, QUICK_S);
    if (!result.success) throw new Error(described(tool, result));
    return result;
  }

  async #call(tool: string, args: Record<string, unknown>, timeoutS: number): Promise<ToolResult> {
    const result = await this.trajectory.call(tool, args, { timeoutS });
    this.repair.calls.push({ tool, queueMs: result.queueMs, execMs: result.execMs });
    if (tool === "bash" && result.metadata.sandboxed !== true) this.repair.sandboxed = false;
    return result;
  }

  #path(file: string): string {
    return `${this.job.project.name}/${file}`;
  }
}

function described(tool: string, result: ToolResult): string {
  return `${tool} ended ${result.status}: ${result.error}\n${lastLines(result.output)}`;
}

function lastLines(text: string): string {
  return text.split("\n").slice(-8).join("\n");
}

/** As one word of a shell command. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
