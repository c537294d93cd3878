// The command line of the launcher (launcher/main.c), and of the warden that it is first in a sandbox with cells.

/** Limits that every process of a slot inherits from its launcher. */
export interface ProcessLimits {
  /** Processes and threads of the slot's user. */
  readonly processes: number;
  readonly openFiles: number;
  readonly fileBytes: number;
}

/** What a warden gives each cell. */
export interface CellSpec {
  readonly hasNetwork: boolean;
  /** Of /tmp and /dev/shm, each. */
  readonly scratchBytes: number;
  readonly runBytes: number;
  /** Of a workspace in memory; 0: it is the slot's folder. */
  readonly workspaceBytes: number;
}

export interface LauncherSpec {
  readonly program: string;
  /** The run folder as it is seen inside the sandbox. */
  readonly runFolder: string;
  /** Whether every process that the launcher can see is the slot's. */
  readonly isAlone: boolean;
  /** The user that everything runs as which the launcher starts; absent: the launcher's own. */
  readonly uid?: number;
  readonly limits: ProcessLimits;
  /** With it, the program is a warden first. */
  readonly cell?: CellSpec;
}

export function launcherCommand({ program, runFolder, isAlone, uid = 0, limits, cell }: LauncherSpec): string[] {
  const numbers = [isAlone ? 1 : 0, uid, limits.processes, limits.openFiles, limits.fileBytes];
  if (cell) numbers.push(cell.hasNetwork ? 1 : 0, cell.scratchBytes, cell.runBytes, cell.workspaceBytes);
  return [program, runFolder, ...numbers.map(String)];
}
