// User ids on this host that no other server hands out: a block is held for the life of the process.
import { randomInt } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { SwitchyardError } from "../core/errors.js";
import { holdName } from "./instance-lock.js";

/** Debian's own ids end at 65,534, and the subordinate ones that it gives out lie below 2^30. */
const UID_FIRST = 1_100_000_000;
const BLOCK_UIDS = 1_000_000;
const BLOCKS = 900;

export class UidBlock {
  #taken = 0;
  readonly #avoided: { readonly first: number; readonly count: number }[] = [];

  private constructor(
    private readonly first: number,
    readonly release: () => void,
  ) {}

  /** The first free one from `start` on. Rejects with LISTEN_FAILED when every block is taken. */
  static async claim(start = randomInt(BLOCKS)): Promise<UidBlock> {
    const lived = livedIn();
    for (let at = 0; at < BLOCKS; at++) {
      const block = (start + at) % BLOCKS;
      if (lived.has(block)) continue;
      const free = await holdName(`uids/${block}`);
      if (free) return new UidBlock(UID_FIRST + block * BLOCK_UIDS, free);
    }
    const why = `all ${BLOCKS} blocks of user ids are taken by servers, or by what they left, on this machine`;
    throw new SwitchyardError("LISTEN_FAILED", why);
  }

  /** Ids that containers of a server that died still use. */
  avoid(first: number, count: number): void {
    this.#avoided.push({ first, count });
  }

  /** The first of `count` ids in a row. They come round again after a million; no container lives so long. */
  take(count: number): number {
    for (;;) {
      if (this.#taken + count > BLOCK_UIDS) this.#taken = 0;
      const first = this.first + this.#taken;
      const used = this.#avoided.find((it) => first < it.first + it.count && it.first < first + count);
      if (!used) {
        this.#taken += count;
        return first;
      }
      this.#taken = used.first + used.count - this.first;
    }
  }
}

/** The blocks that processes of this machine have ids of: a server that was killed left them, and its next one may adopt them. */
function livedIn(): Set<number> {
  const blocks = new Set<number>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const uid = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? 0;
    blocks.add(Math.floor((uid - UID_FIRST) / BLOCK_UIDS));
  }
  return blocks;
}
