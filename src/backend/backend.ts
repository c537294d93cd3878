// What makes containers, and what a container can do: the interface that pool/ and batch/ stand on.
// Implementations: docker/, process/.
import type { Transfer, TransferRequest } from "../core/artifacts.js";
import type { SwitchyardError } from "../core/errors.js";
import type { SlotOperation } from "../core/operation.js";
import type { Outcome } from "../core/outcome.js";
import type { OutputPosition, OutputSink } from "../core/output.js";
import type { Principal } from "../core/principal.js";

export interface Backend {
  readonly name: "docker" | "process";
  /** Makes sure that containers can be started. */
  start(): Promise<void>;
  /**
   * Takes over the containers of this instance that outlived their server, with what their runners remember; removes those
   * that nobody can use. Rejects, with nothing removed, when the engine fails.
   */
  adopt(): Promise<readonly AdoptedContainer[]>;
  /**
   * Starts one container of the named pool. Resolves when its runner has answered a probe call, never before.
   * Rejects with BACKEND_UNAVAILABLE or SANDBOX_UNAVAILABLE, or when `signal` aborts; then nothing is left behind, but for
   * what could not be destroyed at once: `onLeft` has been given that, to destroy it.
   */
  startContainer(pool: string, signal: AbortSignal, onLeft: (container: Container) => void): Promise<Container>;
  /** Destroys whatever containers are left, but for those that were left to the next server. */
  close(): Promise<void>;
}

/** A container that an earlier server of the instance started. */
export interface AdoptedContainer {
  readonly pool: string;
  readonly container: Container;
  /** Whether it was made for other settings than its pool has now: good for the trajectories it has, and no others. */
  readonly outdated: boolean;
  /** All its slots, by index. */
  readonly slots: readonly AdoptedSlot[];
}

export interface AdoptedSlot {
  readonly open: boolean;
  /** Whose it is; absent: nobody's. */
  readonly lease?: AdoptedLease;
}

export interface AdoptedLease {
  readonly binding: SlotBinding;
  /** In the order in which they came. */
  readonly calls: readonly AdoptedCall[];
}

/** What a runner remembers of a call. */
export interface AdoptedCall {
  readonly uniqId: string;
  readonly digest: string;
  readonly forStream: boolean;
  /** Whether a stream asked for its output. */
  readonly streamOutput: boolean;
  readonly state: "running" | "finished" | "acknowledged";
  readonly context: string;
  /** When finished. */
  readonly outcome?: Outcome;
}

export interface Container {
  /** The engine's own id, for logs and operators. */
  readonly id: string;
  /** As external tools are told: `docker:CONTAINER_ID` or `process:PID`. */
  readonly address: string;
  readonly runner: Runner;
  /** Ends the container with everything in it. Idempotent; resolves when it is gone. */
  destroy(): Promise<void>;
  /** Lets go of it for the next server. False: it cannot live without this one. */
  leave(): boolean;
}

/** The isolation that a runner proved at its start. */
export type Isolation = "namespace" | "uid" | "container" | "none";

/** The runner's side of a container, as the server drives it over the link. */
export interface Runner {
  readonly id: string;
  /** How many slots it owns; they are named by index, from 0. */
  readonly slots: number;
  readonly isolation: Isolation;
  /** Whether commands have no network but their own loopback. */
  readonly networkIsolated: boolean;
  /** Makes an empty workspace with a fresh sandbox around it. */
  openSlot(slot: number): Promise<void>;
  /** Binds an open slot to a trajectory, or changes the binding; frames keep their order, so calls may follow at once. */
  leaseSlot(slot: number, lease: SlotBinding): void;
  /** Kills everything in the slot and wipes it; resolves when verified clean, rejects when something was left. */
  closeSlot(slot: number): Promise<void>;
  /**
   * Sends the operations as one batch under one timeout. `onFinished` comes once per operation, with its index, the
   * moment it ends. Resolves when all have ended; rejects when the runner is lost (RUNNER_LOST, RUNNER_VIOLATION):
   * operations not finished by then have an unknown end.
   */
  runBatch(
    operations: readonly SlotOperation[],
    timeoutS: number,
    onFinished: (index: number, outcome: Outcome) => void,
  ): RunningBatch;
  /** Follows a call that an earlier server gave to an adopted runner, as runBatch does; its output comes when replayed. */
  resumeCall(slot: number, uniqId: string, onFinished: (outcome: Outcome) => void, output?: OutputSink): RunningBatch;
  /** Asks for a running call's output from there on, as far as it is kept; what was sent and not taken is forgotten. */
  replayOutput(slot: number, uniqId: string, from: OutputPosition): void;
  /**
   * Lets the runner remember calls that the leased slot's trajectory had elsewhere, so that no later server runs them
   * again. `recall` names them, and is asked again when a link begins anew.
   */
  remember(slot: number, recall: () => readonly AdoptedCall[]): void;
  /** Says that results need not be kept any longer; unknown ones are ignored. */
  acknowledge(slot: number, uniqIds: readonly string[]): void;
  /** Moves files between the server and an open slot, beside its calls. Throws LIMIT_REACHED, or why the runner is lost. */
  transfer(slot: number, request: TransferRequest): Transfer;
  /** Resolves, never rejects, when the runner is lost for good. */
  readonly lost: Promise<SwitchyardError>;
  /** Tells when the sandbox of an open slot died by itself: the slot must be closed before it is used again. */
  onSlotFailed(listener: (slot: number, error: SwitchyardError) => void): void;
}

export interface RunningBatch {
  readonly done: Promise<void>;
  /** Asks for the end of one operation; it still finishes through `onFinished`, as CANCELLED unless it ended before. */
  cancel(index: number): void;
}

/** Whose slot it is, with what the next server must know to go on with the trajectory. */
export interface SlotBinding {
  readonly principal: Principal;
  /** Unique within the principal. */
  readonly trajectoryId: string;
  /** Names this life of the trajectory. */
  readonly incarnation: string;
  /** Counts the slots that the trajectory has had, from 1. */
  readonly generation: number;
  readonly env: Readonly<Record<string, string>>;
  /** SHA-256 of its resume_token. */
  readonly tokenHash: Buffer;
  readonly group: string;
  /** Counts its streams, from 1; 0 before the first. */
  readonly streamEpoch: number;
  readonly leaseS: number;
  /** When its life began, in milliseconds since 1970. */
  readonly beganUnixMs: number;
}
