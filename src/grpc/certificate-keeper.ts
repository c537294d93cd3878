// Keeps the server's certificates as its files have them. Whoever renews them may replace a file, write it anew, or swap a
// symbolic link to it or to its folder; so folders are watched for the sake of speed, and the files are read every
// few seconds for the sake of certainty. Invariant: `current` is always a pair that belongs together.
import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import type { Clock, Timer } from "../core/clock.js";
import { messageOf } from "../core/errors.js";
import type { Logger } from "../core/log.js";
import { type CertificateFiles, type Certificates, readCertificates } from "./certificates.js";

/** Until so long after a change nothing is read: the other file of the pair is likely to follow. */
const SETTLE_MS = 250;
/** From one look to the next at most, however much goes on in the folders. */
const LOOK_MS = 5_000;

export interface CertificateKeeperOptions {
  readonly files: CertificateFiles;
  readonly clock: Clock;
  readonly log: Logger;
}

export class CertificateKeeper {
  readonly #clock: Clock;
  readonly #log: Logger;
  #files: CertificateFiles;
  #current: Certificates;
  #onRenewed: (certificates: Certificates) => void = () => {};
  #watchers: FSWatcher[] = [];
  #timer: Timer | undefined;
  #lookedMs: number;
  #turn: Promise<unknown> = Promise.resolve();
  /** Of what was refused last: said once, not with every look. */
  #refused = "";
  #closed = false;

  private constructor({ files, clock, log }: CertificateKeeperOptions, current: Certificates) {
    [this.#files, this.#clock, this.#log, this.#current] = [files, clock, log, current];
    this.#lookedMs = clock.now();
  }

  /** Rejects with CONFIG_INVALID when the files cannot be used. */
  static async start(options: CertificateKeeperOptions): Promise<CertificateKeeper> {
    const keeper = new CertificateKeeper(options, await readCertificates(options.files));
    keeper.#warn();
    keeper.#watch();
    keeper.#lookIn(LOOK_MS);
    return keeper;
  }

  get current(): Certificates {
    return this.#current;
  }

  onRenewed(listener: (certificates: Certificates) => void): void {
    this.#onRenewed = listener;
  }

  /** Takes what these files hold now. Rejects with CONFIG_INVALID; then what was before goes on. */
  reload(files: CertificateFiles): Promise<void> {
    return this.#inTurn(async () => {
      this.#take(await readCertificates(files));
      this.#files = files;
      this.#refused = "";
      this.#watch();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#unwatch();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #take(found: Certificates): void {
    if (digestOf(found) === digestOf(this.#current)) return;
    this.#current = found;
    const { serial, subject, expiresMs } = found;
    this.#log.info({ serial, subject, expires: new Date(expiresMs).toISOString() }, "certificate renewed");
    this.#warn();
    this.#onRenewed(found);
  }

  #warn(): void {
    for (const warning of this.#current.warnings) this.#log.warn({ serial: this.#current.serial }, warning);
  }

  async #look(): Promise<void> {
    this.#lookedMs = this.#clock.now();
    try {
      this.#take(await readCertificates(this.#files));
      this.#refused = "";
    } catch (error) {
      const reason = messageOf(error);
      if (reason === this.#refused) return;
      this.#refused = reason;
      this.#log.warn({ reason, serial: this.#current.serial }, "certificate not renewed: the one before goes on");
    }
  }

  #lookIn(ms: number): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    const leftMs = Math.max(0, this.#lookedMs + LOOK_MS - this.#clock.now());
    this.#timer = this.#clock.after(Math.min(ms, leftMs), () => {
      void this.#inTurn(() => this.#look()).then(() => this.#lookIn(LOOK_MS));
    });
  }

  /** Of what cannot be watched, changes are seen a little later. */
  #watch(): void {
    this.#unwatch();
    if (this.#closed) return;
    const { cert, key, client_ca } = this.#files;
    for (const folder of new Set([cert, key, ...(client_ca === "" ? [] : [client_ca])].map((file) => dirname(file)))) {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#lookIn(SETTLE_MS));
        watcher.on("error", () => watcher.close());
        this.#watchers.push(watcher);
      } catch (error) {
        this.#log.debug({ folder, reason: messageOf(error) }, "a folder with certificates cannot be watched");
      }
    }
  }

  #unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }
}

function digestOf({ cert, key, clientCa }: Certificates): string {
  const hash = createHash("sha256");
  for (const part of [cert, key, clientCa ?? Buffer.alloc(0)]) hash.update(`${part.length}:`).update(part);
  return hash.digest("hex");
}
