// What every runner of a pool is told at its start, taken from the configuration by whoever wires the server.
import type { Init } from "../gen/switchyard/runner/v1/runner.js";
import type { LinkKeeper } from "./link-keeper.js";
import type { UidBlock } from "./uid-block.js";

export interface RunnerSettings {
  readonly slots: number;
  /** `auto`, `namespace`, `uid`, `container` or `none`. */
  readonly isolation: string;
  readonly allowNetwork: boolean;
  /** Refuse to start a runner whose isolation came to `none`. */
  readonly requireSandbox: boolean;
  readonly outputCharsMax: number;
  readonly fileBytesMax: number;
  readonly graceS: number;
  readonly slot: SlotSettings;
}

/** What each slot may use. */
export interface SlotSettings {
  readonly processes: number;
  readonly openFiles: number;
  readonly fileMb: number;
  readonly memoryMb: number;
  readonly workspaceMb: number;
  readonly workspaceInMemory: boolean;
  /** /tmp and /dev/shm, each. */
  readonly scratchMb: number;
}

/** What the server's end of a runner is made of. */
export interface RunnerClientOptions {
  readonly id: string;
  readonly keeper: LinkKeeper;
  readonly init: Init;
  /** That seals leases. */
  readonly key: Buffer;
  readonly containerHasNetwork: boolean;
}

const MIB = 1024 * 1024;

/** `settings` as the first frame of a link. Each slot gets a user id of its own from `uids`, if there are any. */
export function initFrame(settings: RunnerSettings, uids: UidBlock | undefined): Init {
  const { slot } = settings;
  return {
    slots: settings.slots,
    isolation: settings.isolation,
    allowNetwork: settings.allowNetwork,
    outputCharsMax: settings.outputCharsMax,
    fileBytesMax: settings.fileBytesMax,
    graceS: settings.graceS,
    uidBase: uids?.take(settings.slots) ?? 0,
    limits: {
      processes: slot.processes,
      openFiles: slot.openFiles,
      fileBytes: BigInt(slot.fileMb * MIB),
      memoryBytes: BigInt(slot.memoryMb * MIB),
      workspaceBytes: BigInt(slot.workspaceMb * MIB),
      workspaceInMemory: slot.workspaceInMemory,
      scratchBytes: BigInt(slot.scratchMb * MIB),
    },
  };
}
