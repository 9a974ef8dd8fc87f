// Express: `app.use(vaultToken(integration))` before the routes, `app.use(vaultErrors)` after them.

import { answerTo } from "./answer.js";
import { VaultContextError } from "./errors.js";
import type { Integration } from "./integration.js";
import { type Closing, tokenOfRequest } from "./request_scope.js";
import type { VaultToken } from "./token.js";

declare global {
  namespace Express {
    interface Request {
      /** Opens this request's token, once. It is revoked when the response is over. */
      vaultToken(): Promise<VaultToken>;
    }
  }
}

interface Incoming {
  readonly rawHeaders: readonly string[];
  vaultToken?: () => Promise<VaultToken>;
}

interface Outgoing extends Closing {
  readonly headersSent: boolean;
  writeHead(status: number, headers: Readonly<Record<string, string>>): { end(body: string): unknown };
}

type Next = (error?: unknown) => void;

/** Middleware that gives each request `req.vaultToken()`. */
export function vaultToken(integration: Integration) {
  return (request: Incoming, response: Outgoing, next: Next): void => {
    request.vaultToken = tokenOfRequest(integration, request.rawHeaders, response);
    next();
  };
}

/** Error middleware that answers the errors of this package, and passes on all others. */
export function vaultErrors(error: unknown, _request: Incoming, response: Outgoing, next: Next): void {
  if (!(error instanceof VaultContextError) || response.headersSent) {
    next(error);
    return;
  }
  const { statusCode, headers, body } = answerTo(error);
  response.writeHead(statusCode, headers).end(body);
}
