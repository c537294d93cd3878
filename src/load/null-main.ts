// The entry point of the null target's own process; it ends with the coordinator.
import { collectSparingly } from "../core/garbage.js";
import type { FromNull } from "./messages.js";
import { startNullServer } from "./null-server.js";

// As the server does that it stands beside.
collectSparingly();
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit(0));
const { port } = await startNullServer();
process.send?.({ kind: "listening", port } satisfies FromNull);
