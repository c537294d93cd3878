// Docker's API as dockerode has it. The build puts dockerode itself into this file (scripts/bundle.mjs), so only this one
// imports more of it than types.
import Docker from "dockerode";

export { Docker };
