// `npm run demo [-- --backend docker|process]`: sixteen agents repair real projects over the streaming API, all at once.
// Exit code 0 only if every project's own suite failed with a fault in it and passed after the repair.
import { parseArgs } from "node:util";
import { SwitchyardClient } from "../../src/client/index.js";
import { SEARCH_PATH } from "../../src/runner/sandbox/launcher.js";
import { needPrograms } from "../need-programs.js";
import { type Backend, backendOf, Server } from "../server.js";
import { cacheFolder, fetchSources, type Sources } from "./fetch.js";
import { PROJECTS, type Project } from "./projects.js";
import { Agent, type Job } from "./repair.js";
import { type Outcome, Progress, printReport } from "./report.js";

const USAGE = `Usage: npm run demo -- [--backend auto|docker|process]

Fetches ${PROJECTS.length} projects by npm (kept in ${cacheFolder()}), starts a server on a free port, and repairs
a fault in each of ${PROJECTS.flatMap((project) => project.faults).length} trajectories that run at once.
With the process backend the projects' suites run with the Node and Python of ${SEARCH_PATH}.`;
const DEMO_MAX_MS = 15 * 60_000;

async function main(): Promise<number> {
  const backend = readBackend(process.argv.slice(2));
  if (typeof backend === "number") return backend;
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => stop.abort(new Error(`got ${name}`)));
  const overdue = setTimeout(() => stop.abort(new Error(`not done in ${DEMO_MAX_MS / 1000} s`)), DEMO_MAX_MS);
  try {
    return (await demo(backend, stop.signal)) ? 0 : 1;
  } catch (error) {
    console.error(`demo: ${messageOf(stop.signal.aborted ? stop.signal.reason : error)}`);
    return 1;
  } finally {
    clearTimeout(overdue);
  }
}

async function demo(backend: Backend, signal: AbortSignal): Promise<boolean> {
  const progress = new Progress();
  progress.say(`fetching ${PROJECTS.map((project) => project.name).join(", ")}`);
  const jobs = jobsOf(await fetchSources(PROJECTS, signal));
  progress.say("starting the server");
  const server = await Server.start(backend, signal);
  const client = new SwitchyardClient(server.address);
  let repaired = false;
  try {
    // The suites run with this machine's own programs there, and with the image's under Docker.
    if (server.backend === "process") needPrograms({ node: "nodejs", python3: "python3" }, SEARCH_PATH);
    progress.say(`${jobs.length} trajectories on ${server.address}, backend ${server.backend}`);
    const outcomes = await Promise.all(jobs.map((job) => repairOne(client, job, progress, signal)));
    signal.throwIfAborted();
    const status = await client.status().catch(() => undefined);
    printReport(outcomes, status);
    repaired = status !== undefined && outcomes.every(({ failure }) => failure === undefined);
    if (!repaired) console.log(`\nThe server's last lines:\n${server.log}`);
  } finally {
    client.close();
    await server.stop();
  }
  console.log(repaired ? "\nEvery suite failed with its fault and passed after the repair." : "\nThe demo FAILED.");
  return repaired;
}

/** Never rejects: one trajectory's failure is its own. */
async function repairOne(
  client: SwitchyardClient,
  job: Job,
  progress: Progress,
  signal: AbortSignal,
): Promise<Outcome> {
  const startedAt = performance.now();
  let agent: Agent | undefined;
  let failure: string | undefined;
  try {
    const trajectory = await client.open({ trajectoryId: job.id, group: job.project.name, signal });
    agent = new Agent(job, trajectory, (text) => progress.say(`${job.id}: ${text}`));
    await agent.run().finally(() => trajectory.close());
  } catch (error) {
    failure = messageOf(error);
    progress.say(`${job.id}: FAILED`);
  }
  const repair = agent?.repair ?? { calls: [], sandboxed: false };
  return { job, repair, wallMs: performance.now() - startedAt, failure };
}

function jobsOf(sources: ReadonlyMap<Project, Sources>): readonly Job[] {
  return [...sources].flatMap(([project, archive]) =>
    project.faults.map((fault) => ({ id: `${project.name}.${fault.name}`, project, fault, sources: archive })),
  );
}

/** The backend, or an exit code when the usage was printed instead. */
function readBackend(args: string[]): Backend | number {
  try {
    const options = { backend: { type: "string", default: "auto" }, help: { type: "boolean", short: "h" } } as const;
    const { values } = parseArgs({ args: args.filter((arg) => arg !== "--"), options });
    const { backend, help } = values;
    if (help) {
      console.log(USAGE);
      return 0;
    }
    return backendOf(backend);
  } catch (error) {
    console.error(`demo: ${messageOf(error)}`);
  }
  console.error(USAGE);
  return 2;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

process.exitCode = await main();
