// The wait for the first containers of a pool. Invariant: it ends once, and does not fail when nobody waits.
import type { SwitchyardError } from "../core/errors.js";

interface Waiting {
  resolve(): void;
  reject(error: SwitchyardError): void;
}

export class Startup {
  #waiting: Waiting | undefined;

  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  isUp(): void {
    this.#waiting?.resolve();
  }

  fail(error: SwitchyardError): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
