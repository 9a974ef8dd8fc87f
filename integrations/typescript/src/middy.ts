// Middy: `middy().use(vaultToken(integration))`, after all others, so that it revokes before they see the response.

import type { MiddlewareObj } from "@middy/core";
import type { Context } from "aws-lambda";

import { answerTo } from "./answer.js";
import { VaultContextError } from "./errors.js";
import type { Integration } from "./integration.js";
import type { VaultToken } from "./token.js";

/** The Lambda context as the handler gets it. */
export type TokenContext = Context & {
  /** Opens this request's token, once. It is revoked when the handler is done. */
  vaultToken(): Promise<VaultToken>;
};

/** Middleware that gives the handler `context.vaultToken()`, and answers the errors of this package. */
export function vaultToken(integration: Integration): MiddlewareObj<unknown, unknown, Error, TokenContext> {
  const openings = new WeakMap<object, Promise<VaultToken>>();
  const revoke = async (context: object) => {
    const opening = openings.get(context);
    // What could not be opened was thrown to the handler.
    const token = await opening?.catch(() => undefined);
    await token?.[Symbol.asyncDispose]();
  };
  return {
    before({ event, context }) {
      context.vaultToken = () => {
        const opening = openings.get(context) ?? integration.open(event);
        openings.set(context, opening);
        return opening;
      };
    },
    async after({ context }) {
      await revoke(context);
    },
    async onError(request) {
      await revoke(request.context);
      if (request.error instanceof VaultContextError) request.response = answerTo(request.error);
    },
  };
}
