// UNAUTHENTICATED is final, but once after each success: a function that gives tokens may have another one by now.
import type { Failure } from "./grpc-error.js";

export class SecondChance {
  #left: boolean;

  /** `renews`: whether tokens come from a function. */
  constructor(private readonly renews: boolean) {
    this.#left = renews;
  }

  succeeded(): void {
    this.#left = this.renews;
  }

  judge(failure: Failure): Failure {
    if (failure.error.code !== "UNAUTHENTICATED" || !this.#left) return failure;
    this.#left = false;
    return { ...failure, retry: true };
  }
}
