// `switchyard/client`: what a program that uses a Switchyard server imports.
// biome-ignore-all lint/performance/noBarrelFile: a package's entry point, imported by nothing in here
export type {
  ArchiveSummary,
  ArtifactEntry,
  ArtifactListing,
  ArtifactPath,
  FileInfo,
  ReadSummary,
  WriteOptions,
  WriteSummary,
} from "./artifact-values.js";
export type { Download, FileDownload } from "./artifacts.js";
export type { Backoff } from "./backoff.js";
export { SwitchyardClient } from "./client.js";
export { CallRejectedError, type ErrorReason, SwitchyardClientError } from "./errors.js";
export type { TrajectoryEvent } from "./events.js";
export type { ToolArguments } from "./messages.js";
export type { ClientOptions, ExecuteOptions, OpenOptions } from "./options.js";
export type { OutputChunk } from "./output-reader.js";
export type { TlsOptions } from "./security.js";
export type { PoolStatus, ServerStatus, ToolDescription } from "./server-status.js";
export type { ServerLimits, UnclaimedState } from "./server-view.js";
export type { StatusSample, TrajectoryStatus, WatchOptions } from "./status-watch.js";
export type { ToolResult } from "./tool-result.js";
export type { CallOptions, Trajectory, TrajectoryKey } from "./trajectory.js";
