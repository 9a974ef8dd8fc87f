// Fastify: `app.register(vaultToken, { integration })` and `app.setErrorHandler(vaultErrors)`.

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

import { answerTo } from "./answer.js";
import { VaultContextError } from "./errors.js";
import type { Integration } from "./integration.js";
import { tokenOfRequest } from "./request_scope.js";
import type { VaultToken } from "./token.js";

declare module "fastify" {
  interface FastifyRequest {
    /** Opens this request's token, once. It is revoked when the response is over. */
    vaultToken(): Promise<VaultToken>;
  }
}

/** Plugin that gives each request `request.vaultToken()`. */
export async function vaultToken(app: FastifyInstance, { integration }: { readonly integration: Integration }): Promise<void> {
  app.decorateRequest("vaultToken");
  app.addHook("onRequest", async (request, reply) => {
    request.vaultToken = tokenOfRequest(integration, request.raw.rawHeaders, reply.raw);
  });
}

// What fastify-plugin sets: the hook is for the routes beside the plugin, not for those within it.
Object.assign(vaultToken, { [Symbol.for("skip-override")]: true });

/** Error handler that answers the errors of this package, and leaves all others to Fastify's own. */
export function vaultErrors(error: unknown, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (!(error instanceof VaultContextError)) return reply.send(error);
  const { statusCode, headers, body } = answerTo(error);
  return reply.code(statusCode).headers(headers).send(body);
}
