// The entry point of the null target's own process; it ends with the coordinator.
import type { FromNull } from "./messages.js";
import { startNullServer } from "./null-server.js";

process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit(0));
const { port } = await startNullServer();
process.send?.({ kind: "listening", port } satisfies FromNull);
