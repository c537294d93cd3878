// Which runtime volumes and carriers nobody needs any more: a pure function of what the daemon lists.

/** As the daemon lists them. */
export interface ListedVolume {
  readonly Name: string;
  readonly CreatedAt?: string;
}

export interface ListedCarrier {
  readonly Id: string;
  /** Seconds since 1970. */
  readonly Created: number;
}

export interface RuntimeListing {
  /** All of ours, of whatever version, marks included. */
  readonly volumes: readonly ListedVolume[];
  /** Names of those that no container has. */
  readonly unused: ReadonlySet<string>;
  readonly carriers: readonly ListedCarrier[];
}

/** Longer than a volume may take to be filled. */
const CARRIER_MS_MAX = 3_600_000;
/** A server that has no container at the moment loses its volume to another one only after so long; it makes a new one. */
const VOLUME_MS_MAX = 24 * 3_600_000;

/** The empty volume that says that one is filled. */
export function markOf(volume: string): string {
  return `${volume}-filled`;
}

/** In the order in which they can be removed. `keep` is the volume of who asks; the daemon's clock says `nowMs`. */
export function runtimeLeftovers(
  { volumes, unused, carriers }: RuntimeListing,
  keep: string,
  nowMs: number,
): { carriers: string[]; volumes: string[] } {
  const byName = new Map(volumes.map((volume) => [volume.Name, volume]));
  const stale = volumes.filter(({ Name }) => {
    const volume = Name.replace(/-filled$/, "");
    // Both go by the mark's age, which is that of the content.
    const dated = byName.get(markOf(volume)) ?? byName.get(volume);
    const isUsed = byName.has(volume) && !unused.has(volume);
    return volume !== keep && !isUsed && isOlder(Date.parse(dated?.CreatedAt ?? ""), VOLUME_MS_MAX, nowMs);
  });
  return {
    carriers: carriers.filter(({ Created }) => isOlder(Created * 1000, CARRIER_MS_MAX, nowMs)).map(({ Id }) => Id),
    // A volume before its mark, so that none is taken for one that is being filled.
    volumes: stale.map(({ Name }) => Name).sort((a, b) => a.length - b.length),
  };
}

/** What has no date that can be read is not. */
function isOlder(sinceMs: number, ms: number, nowMs: number): boolean {
  return nowMs - sinceMs > ms;
}
