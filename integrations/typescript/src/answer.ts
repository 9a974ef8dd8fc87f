// What the caller of the API is told where there is no token: a status and a code. The text is for the log.

import type { VaultContextError } from "./errors.js";

/** The answer of a Lambda proxy integration. */
export interface ProxyAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Logs `error`, and makes the answer of a Lambda proxy integration of it. */
export function answerTo(error: VaultContextError): ProxyAnswer {
  console.error(`vault-context: ${error.name}: ${error.message}`, { code: error.code });
  return {
    statusCode: error.status,
    headers: {
      "content-type": "application/json",
      "cache-control": "no-store",
      // An outage passes. A second request brings another token.
      ...(error.isOutage && { "retry-after": "1" }),
    },
    body: JSON.stringify({ error: error.code }),
  };
}
