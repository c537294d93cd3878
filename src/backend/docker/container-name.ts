// A container's name says which server has it: the epoch at its end. Docker keeps it, out of a runner's reach, so a server
// that was stopped for a while can see that another took its containers over.

const EPOCH = /-e([0-9a-f]+)$/;

export function containerName(instance: string, nonce: string, epoch: number): string {
  const name = `switchyard-${instance}-${nonce.slice(0, 12)}`.replace(/[^A-Za-z0-9_.-]/g, "-");
  return `${name}-e${epoch.toString(16)}`;
}

/** 0 for a name that is not of ours. */
export function epochOfName(name: string): number {
  return Number.parseInt(EPOCH.exec(name)?.[1] ?? "0", 16);
}
