// A token in clear, from when Vault gave it to when it is given back. Never leaves the package.

import { type Call, CallFailure } from "./failure.js";
import { Life, sendUntilKnown } from "./lag.js";
import type { Transport } from "./transport.js";

/** What Vault says of an unwrapped token. */
export interface Auth {
  readonly clientToken: string;
  readonly accessor: string;
  readonly policies: readonly string[];
  readonly identityPolicies: readonly string[];
  readonly leaseSeconds: number;
  readonly numUses: number;
  readonly tokenType: string;
}

/** Counted from the answer, and so a little longer than it is. 0 is Vault's way to say that a token never ends. */
export function lifeOf({ leaseSeconds }: Auth): Life {
  return new Life(leaseSeconds === 0 ? Infinity : leaseSeconds * 1000);
}

/** Revokes a token. Where that fails the token ends by its own TTL. */
export async function giveBack(vault: Transport, { clientToken, accessor }: Auth, life: Life): Promise<void> {
  const call: Call = { method: "POST", path: "auth/token/revoke-self", token: clientToken };
  const outcome = await sendUntilKnown(vault, call, life);
  if (!(outcome instanceof CallFailure)) return;
  console.warn("vault-context: a token could not be revoked, so it lives until its TTL ends", { code: outcome.code, accessor });
}
