// Finds the strongest isolation that works here, by trying it: a sandbox is opened, and what it promises is looked at from
// inside.
import { readlinkSync } from "node:fs";
import type { SandboxKind } from "./sandbox/sandbox.js";
import { Slot, type SlotSettings } from "./slot.js";
import { runBash } from "./tools/bash.js";

export interface Proof {
  readonly kind: SandboxKind;
  /** Why a stronger isolation could not be had; empty when what was wanted is in force. */
  readonly reason: string;
}

type Settings = Omit<SlotSettings, "kind">;

const TRIAL_LIMITS = { timeoutS: 10, noOutputTimeoutS: 0, charsMax: 4000 };

/** `wanted` is `auto` or a kind. Rejects when what was asked for by name does not work. */
export async function proveIsolation(wanted: string, settings: Settings): Promise<Proof> {
  switch (wanted) {
    case "auto":
      return strongest(settings);
    case "namespace":
      await tryNamespaces(settings);
      return { kind: wanted, reason: "" };
    case "uid":
      await tryUser(settings);
      return { kind: wanted, reason: "" };
    case "container":
      await inTrialSlot("container", settings, "true");
      return { kind: wanted, reason: "" };
    case "none":
      return { kind: wanted, reason: "isolation is turned off by configuration" };
    default:
      throw new Error(`there is no isolation named ${wanted}`);
  }
}

async function strongest(settings: Settings): Promise<Proof> {
  const reasons: string[] = [];
  for (const [kind, attempt] of [["namespace", tryNamespaces] as const, ["uid", tryUser] as const]) {
    try {
      await attempt(settings);
      return { kind, reason: reasons.join("; ") };
    } catch (error) {
      // Anything else, such as a slot that could not be closed, says nothing about what works here.
      if (!(error instanceof CannotEnter)) throw error;
      reasons.push(`${kind} does not work here: ${error.message}`);
    }
  }
  return { kind: "none", reason: reasons.join("; ") };
}

/** The sandbox cannot be had on this machine. */
class CannotEnter extends Error {}

async function tryNamespaces(settings: Settings): Promise<void> {
  const kinds = ["pid", "mnt", "user", "ipc", ...(settings.allowNetwork ? [] : ["net"])];
  const links = kinds.map((kind) => `/proc/self/ns/${kind}`);
  const seen = (await inTrialSlot("namespace", settings, `readlink ${links.join(" ")}`)).split("\n");
  const shared = links.filter((link, at) => seen[at] === readlinkSync(link));
  if (shared.length > 0) throw new CannotEnter(`the sandbox shares ${shared.join(", ")} with its runner`);
}

async function tryUser(settings: Settings): Promise<void> {
  if (settings.uid === undefined) throw new CannotEnter("the runner is not root, so it cannot choose users");
  const seen = await inTrialSlot("uid", settings, "id -u; id -G");
  if (seen !== `${settings.uid}\n${settings.uid}`)
    throw new CannotEnter(`commands run as ${seen}, not as ${settings.uid}`);
}

async function inTrialSlot(kind: SandboxKind, settings: Settings, command: string): Promise<string> {
  const slot = new Slot("self-test", { ...settings, kind }, () => undefined);
  try {
    await slot.open().catch((error: unknown) => {
      throw new CannotEnter(error instanceof Error ? error.message : String(error));
    });
    const seen = await runBash(slot, command, TRIAL_LIMITS, new AbortController().signal);
    if (seen.status !== "OK") throw new Error(`${seen.error}: ${seen.output}`);
    return seen.output;
  } finally {
    await slot.end();
  }
}
