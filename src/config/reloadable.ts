// Which options a server takes over while it runs, at SIGHUP; every other one waits for a restart.

/** Options, or sections with all that is in them. */
export const RELOADABLE = ["auth.tokens", "lease", "limits", "log.level", "shutdown", "timeouts", "tls"] as const;

export type ReloadableName = (typeof RELOADABLE)[number];

export function isReloadable(path: readonly string[]): boolean {
  return RELOADABLE.some((name) => isWithin(path, name));
}

/** Whether the option at this path is the one of this name, or in the section of this name. */
export function isWithin(path: readonly string[], name: ReloadableName): boolean {
  return name.split(".").every((key, depth) => key === path[depth]);
}
