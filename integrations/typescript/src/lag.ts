// Asking again where a node of Vault does not know a token yet. The active node makes a token, and a standby that serves reads
// hears of it some milliseconds later. Until then it says that there is no such token, in the words for a spent one.

import { setTimeout as sleep } from "node:timers/promises";

import { type Call, CallFailure } from "./failure.js";
import type { Answer, Transport } from "./transport.js";

/** How long one step keeps asking. Standbys lag by milliseconds, and a Lambda function has 3 s unless it is given more. */
const PATIENCE_MS = 2000;
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 400;

/** How long a token lives, counted from when this side heard of it. */
export class Life {
  readonly #ends: number;

  constructor(lastsMs: number) {
    this.#ends = performance.now() + lastsMs;
  }

  isOverAfter(pauseMs: number): boolean {
    return performance.now() + pauseMs >= this.#ends;
  }
}

/** Why nobody is asked again: the token would have expired before the answer, or no node that lags needs so long. */
export type Over = "life" | "patience";

/** The pauses of one step. */
export class Patience {
  readonly #began = performance.now();
  #next = FIRST_PAUSE_MS;

  /** Waits before the next try, if there is to be one. */
  async pause(life: Life): Promise<Over | undefined> {
    // By chance, so that requests which failed together do not come back together.
    const pauseMs = this.#next * (0.5 + Math.random() / 2);
    if (life.isOverAfter(pauseMs)) return "life";
    if (performance.now() - this.#began + pauseMs > PATIENCE_MS) return "patience";
    this.#next = Math.min(this.#next * 2, LONGEST_PAUSE_MS);
    await sleep(pauseMs);
    return undefined;
  }
}

/** Sends a call with a new token until a node knows the token. A node that refuses for that reason did nothing. */
export async function sendUntilKnown(
  vault: Transport,
  call: Call,
  life: Life,
  mayRepeat: (failure: CallFailure) => boolean = (failure) => failure.mayBeLag,
): Promise<Answer | CallFailure> {
  const patience = new Patience();
  for (;;) {
    const outcome = await vault.send(call);
    if (!(outcome instanceof CallFailure) || !mayRepeat(outcome)) return outcome;
    if ((await patience.pause(life)) !== undefined) return outcome;
  }
}
