// bash itself in a container of the sandbox image, with nothing of ours in it: what scripts do there is what they are to do
// in a slot. One container runs them all, each by `bash -c` in an emptied folder.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import { docker, SANDBOX_IMAGE } from "./docker-engine.js";
import { alike, type Seen } from "./shell-bench.js";

const FOLDER = "/tmp/bare/workspace";
const ENV = "USER=agent LOGNAME=agent SHELL=/bin/bash LANG=C.UTF-8 TERM=xterm-256color";
const DRIVER = `
mkdir -p ${FOLDER}
while IFS= read -r -d '' script; do
  cd ${FOLDER} && find . -mindepth 1 -delete
  env -i PATH="$PATH" HOME=${FOLDER} ${ENV} bash -c "$script" </dev/null >/tmp/out 2>/tmp/err
  printf '%s:%s:%s\\n' $? "$(base64 -w0 /tmp/out)" "$(base64 -w0 /tmp/err)"
done`;

export class BareBash {
  readonly #answers: AsyncIterator<string>;

  private constructor(
    private readonly container: Docker.Container,
    private readonly input: NodeJS.ReadWriteStream,
  ) {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    docker.modem.demuxStream(input, stdout, stderr);
    stderr.resume();
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  static async start(): Promise<BareBash> {
    const container = await docker.createContainer({
      Image: SANDBOX_IMAGE,
      Cmd: ["bash", "-c", DRIVER],
      OpenStdin: true,
      StdinOnce: true,
      HostConfig: { AutoRemove: true, NetworkMode: "none", Init: true },
    });
    const streams = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true };
    const bash = new BareBash(container, await container.attach(streams));
    await container.start();
    return bash;
  }

  /** A signal's end is told as a shell tells it: 128 and its number. */
  async run(script: string): Promise<Seen> {
    this.input.write(`${script}\0`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("bare bash has ended");
    const [end = "", stdout = "", stderr = ""] = String(value).split(":");
    const text = (base64: string) => alike(Buffer.from(base64, "base64").toString("latin1"));
    return { stdout: text(stdout), stderr: text(stderr), end: Number(end) };
  }

  async close(): Promise<void> {
    const ended = once(this.input, "close");
    await this.container.kill();
    await ended;
  }
}
