// Finds the strongest isolation that works here, by trying it: a sandbox is opened and must show namespaces of its own.
import { readlinkSync } from "node:fs";
import type { SandboxKind } from "./sandbox/sandbox.js";
import { Slot, type SlotSettings } from "./slot.js";
import { runBash } from "./tools/bash.js";

export interface Proof {
  readonly kind: SandboxKind;
  /** Why a stronger isolation could not be had; empty when the strongest is in force. */
  readonly reason: string;
}

const TRIAL_LIMITS = { timeoutS: 10, noOutputTimeoutS: 0, charsMax: 4000 };

/** `wanted` is `auto`, `namespace` or `none`. Rejects when what was asked for by name does not work. */
export async function proveIsolation(wanted: string, settings: Omit<SlotSettings, "kind">): Promise<Proof> {
  if (wanted === "none") return { kind: "none", reason: "isolation is turned off by configuration" };
  if (wanted !== "auto" && wanted !== "namespace") throw new Error(`isolation ${wanted} is not built yet`);
  try {
    await tryNamespaces(settings);
    return { kind: "namespace", reason: "" };
  } catch (error) {
    const reason = `namespaces do not work here: ${error instanceof Error ? error.message : String(error)}`;
    if (wanted === "namespace") throw new Error(reason);
    return { kind: "none", reason };
  }
}

async function tryNamespaces(settings: Omit<SlotSettings, "kind">): Promise<void> {
  const slot = new Slot("self-test", { ...settings, kind: "namespace" }, () => undefined);
  const kinds = ["pid", "mnt", "user", "ipc", ...(settings.allowNetwork ? [] : ["net"])];
  const links = kinds.map((kind) => `/proc/self/ns/${kind}`);
  try {
    await slot.open();
    const seen = await runBash(slot, `readlink ${links.join(" ")}`, TRIAL_LIMITS, new AbortController().signal);
    if (seen.status !== "OK") throw new Error(seen.error);
    const shared = links.filter((link, at) => seen.output.split("\n")[at] === readlinkSync(link));
    if (shared.length > 0) throw new Error(`the sandbox shares ${shared.join(", ")} with its runner`);
  } finally {
    await slot.close();
  }
}
