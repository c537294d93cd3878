// The process of a server with the null backend: all of `switchyard serve` but slots. Its parts come from dist/, as they do in
// `serve`, since what runs under tsx is slower. `null-service.ts CONFIG_FILE`; SIGUSR2
// collects its garbage, SIGTERM ends it.
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { NullBackend } from "./null-backend.js";
import { COLLECT, COLLECTED } from "./start-null-service.js";

const BUILT = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/src");
const built = (file: string) => import(pathToFileURL(join(BUILT, file)).href);

const { startService }: typeof import("../../src/cli/compose.js") = await built("cli/compose.js");
const { collectSparingly }: typeof import("../../src/core/garbage.js") = await built("core/garbage.js");
const { loadConfig }: typeof import("../../src/config/load.js") = await built("config/load.js");
const { createLog }: typeof import("../../src/telemetry/log.js") = await built("telemetry/log.js");

collectSparingly();
const [file = ""] = process.argv.slice(2);
const config = loadConfig({ file, env: {}, flags: {} });
const backend = new NullBackend((pool) => config.pools[pool]?.slots_per_container ?? 0);
const log = createLog({ level: config.log.level });
const service = await startService(config, log, undefined, async () => backend);
setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");
process.on(COLLECT, () => {
  collect();
  process.stderr.write(`${COLLECTED}\n`);
});
process.on("SIGTERM", () => void service.close(0).then(() => process.exit(0)));
process.stdout.write(`switchyard ready on ${service.address}, backend null, ${service.slots} slots\n`);
