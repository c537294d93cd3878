// A process that does nothing but start programs, as a small service on the host would: `node spawner.mjs SECONDS PROGRAM ARG…`
// starts one after the other and prints the milliseconds that each took until its end, as a JSON list.
import { spawn } from "node:child_process";

const [seconds, program, ...args] = process.argv.slice(2);
const times = [];
const endMs = performance.now() + Number(seconds) * 1000;
for (let beganMs = performance.now(); beganMs < endMs; beganMs = performance.now()) {
  await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "ignore" });
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${program}: exit code ${code}`))));
  });
  times.push(performance.now() - beganMs);
}
process.stdout.write(JSON.stringify(times));
