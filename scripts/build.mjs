// `npm run build`: dist/src (the server, by tsc) and dist/runner.mjs (the runner, bundled into one file), made anew.
import { prepare } from "./prepare.mjs";

try {
  await prepare({ build: process.argv.includes("--if-stale") ? "stale" : "always" });
} catch (error) {
  process.stderr.write(`switchyard: ${error.message}\n`);
  process.exit(1);
}
