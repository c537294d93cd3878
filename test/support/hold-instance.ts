// A process that holds an instance's name, as a server does: `hold-instance.ts INSTANCE`. Says `held`, or why not.
import { lockInstance } from "../../src/backend/instance-lock.js";

try {
  await lockInstance(process.argv[2] ?? "");
  process.stdout.write("held\n");
  // Until it is killed: its lock alone keeps no process alive.
  setInterval(() => undefined, 1_000_000);
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : error}\n`);
}
