// `npm start` and `npm run demo`, also on a fresh clone: prepares the checkout, then becomes the program, in this very
// process, so that a signal to it reaches the program.
//   node scripts/start.mjs COMMAND [flags]          the switchyard command
//   node scripts/start.mjs --script FILE [flags]    a TypeScript file
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { prepare, root } from "./prepare.mjs";

const args = process.argv.slice(2);
try {
  await prepare();
} catch (error) {
  process.stderr.write(`switchyard: ${error.message}\n`);
  process.exit(1);
}
process.setSourceMapsEnabled(true);

let program = resolve(root, "dist/src/cli/main.js");
if (args[0] === "--script") {
  const [, file = "", ...rest] = args;
  const { register } = await import("tsx/esm/api");
  register();
  program = resolve(file);
  args.splice(0, args.length, ...rest);
}
process.argv = [process.execPath, program, ...args];
await import(pathToFileURL(program).href);
