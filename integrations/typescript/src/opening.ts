// From the authorizer's context to a Vault token that may be used. The context is compared with the configuration and never
// believed: no address in it is dialled.
//
// The steps are Vault's own advice for response wrapping, and two checks more: the accessor the authorizer sent beside the
// token must be the unwrapped token's, and the token must not bring more than it was made with
// (https://developer.hashicorp.com/vault/docs/concepts/response-wrapping#response-wrapping-token-validation).

import { isSameAddress } from "./address.js";
import { type Auth, giveBack, lifeOf } from "./auth.js";
import type { Config } from "./config.js";
import { type Context, isObject, isVisibleAscii, type Wrapped } from "./context.js";
import * as errors from "./errors.js";
import { answerInvalid, type Call, CallFailure, wrappingTokenNotValid } from "./failure.js";
import { Life, type Over, Patience } from "./lag.js";
import { VaultToken } from "./token.js";
import type { Answer, Transport } from "./transport.js";

const LOOKUP = "sys/wrapping/lookup";
const UNWRAP = "sys/wrapping/unwrap";
const MAX_TOKEN_BYTES = 2048;

export async function openToken(config: Config, vault: Transport, context: Context): Promise<VaultToken> {
  const { wrapped } = context;
  if (wrapped === undefined) throw errors.noToken();
  const opening = new Opening(config, vault, wrapped);
  await opening.inspect();
  const auth = await opening.unwrap();
  return new VaultToken(vault, auth, { ...context, creationPath: wrapped.creationPath });
}

class Opening {
  readonly #config: Config;
  readonly #vault: Transport;
  readonly #wrapped: Wrapped;
  readonly #life: Life;

  /** First step, without the network: the context agrees with the configuration and is not too old. */
  constructor(config: Config, vault: Transport, wrapped: Wrapped) {
    if (!isSameAddress(config.address, wrapped.address)) throw errors.addressMismatch();
    if (wrapped.namespace !== config.namespace) throw errors.namespaceMismatch();
    if (!config.creationPaths.has(wrapped.creationPath)) throw errors.creationPathMismatch("the context");
    this.#config = config;
    this.#vault = vault;
    this.#wrapped = wrapped;
    this.#life = new Life(timeLeftMs(wrapped.expiresAtMs));
  }

  /** Second step: asks what the wrapping token holds, without using it up. */
  async inspect(): Promise<void> {
    await this.#lookUp(errors.tokenNotKnown);
  }

  /** Third step: exchanges the wrapping token for the token inside, and checks that. */
  async unwrap(): Promise<Auth> {
    const answer = await this.#exchange();
    const auth = authOf(answer);
    const refused = problemOf(auth, this.#wrapped, this.#config);
    if (refused === undefined) return auth;
    // A token this integration will not use is of use to nobody.
    await giveBack(this.#vault, auth, lifeOf(auth));
    throw refused;
  }

  /** Asks until a node shows the token; `unknown` is what it means that none does. */
  async #lookUp(unknown: () => Error): Promise<void> {
    const answer = await this.#shown(unknown);
    const path = isObject(answer["data"]) ? answer["data"]["creation_path"] : undefined;
    if (typeof path !== "string") throw answerInvalid(LOOKUP, "it names no creation_path").toError();
    // The constructor let only a configured path through, so equality with it is enough. A token that an interceptor
    // unwrapped and wrapped again has another.
    if (path !== this.#wrapped.creationPath) throw errors.creationPathMismatch("Vault's lookup");
  }

  async #shown(unknown: () => Error): Promise<Answer> {
    const patience = new Patience();
    // Without X-Vault-Token: the wrapping token in that header would be used up.
    const call: Call = { method: "POST", path: LOOKUP, body: { token: this.#wrapped.token } };
    for (;;) {
      const outcome = found(await this.#sendTwice(call));
      if (!(outcome instanceof CallFailure)) return outcome;
      if (!outcome.mayBeLag && outcome.code !== "vault_unavailable") throw outcome.toError();
      const over = await patience.pause(this.#life);
      if (over !== undefined) throw givenUp(outcome, over, unknown);
    }
  }

  /** Once more where the connection broke: a function that was frozen finds its connections dead on first use. */
  async #sendTwice(call: Call): Promise<Answer | CallFailure> {
    const first = await this.#vault.send(call);
    const isBroken = first instanceof CallFailure && first.code === "vault_unreachable";
    return isBroken ? this.#vault.send(call) : first;
  }

  /**
   * Sent again only where it certainly did nothing and a lookup shows the token after that. After a time-out the wrapping
   * token may be used up, and the request has to fail.
   */
  async #exchange(): Promise<Answer> {
    const patience = new Patience();
    // In the header alone: with the token in the body as well Vault burns it and answers 500.
    const call: Call = { method: "POST", path: UNWRAP, token: this.#wrapped.token };
    for (;;) {
      const outcome = await this.#vault.send(call);
      if (!(outcome instanceof CallFailure)) return outcome;
      if (!outcome.mayBeLag && !outcome.notSent) throw outcome.toError();
      const over = await patience.pause(this.#life);
      if (over === "life" || (over !== undefined && outcome.isOutage)) throw givenUp(outcome, over, errors.tokenNotKnown);
      // With a patience of its own: an alarm must not rest on one node that lags.
      await this.#lookUp(errors.tokenNotValidAnyMore);
      if (over !== undefined) throw errors.tokenNotKnown();
    }
  }
}

/** A token that is being unwrapped, or that has only half come to this node, is found with nothing said of it. */
function found(outcome: Answer | CallFailure): Answer | CallFailure {
  const isNothing = !(outcome instanceof CallFailure) && (outcome["data"] ?? undefined) === undefined;
  return isNothing ? wrappingTokenNotValid(LOOKUP) : outcome;
}

/** What the last refusal means where nobody is asked again. */
function givenUp(failure: CallFailure, over: Over, unknown: () => Error): Error {
  // The node says itself that it lags, or there is none.
  if (failure.isOutage) return failure.toError();
  return over === "life" ? errors.tokenExpired() : unknown();
}

/** A clock before 1970 is broken. Taken at its word, it would make every token look fresh. */
function timeLeftMs(expiresAtMs: number): number {
  const now = Date.now();
  if (now < 0 || now >= expiresAtMs) throw errors.tokenExpired();
  return expiresAtMs - now;
}

/** What the unwrapped token must be, whatever the context said of it. */
function problemOf(auth: Auth, wrapped: Wrapped, config: Config): Error | undefined {
  if (auth.tokenType !== "service") return errors.notAServiceToken();
  if (auth.accessor !== wrapped.accessor) return errors.accessorMismatch();
  if (!config.allowIdentityPolicies && auth.identityPolicies.length > 0) return errors.identityPolicies();
  // 0 is Vault's way to say that a token never ends.
  if (auth.leaseSeconds === 0 || auth.leaseSeconds > config.maxLeaseSeconds) {
    return errors.leaseTooLong(auth.leaseSeconds, config.maxLeaseSeconds);
  }
  return undefined;
}

function authOf(answer: Answer): Auth {
  const auth = answer["auth"] ?? undefined;
  if (auth === undefined) throw errors.notAServiceToken();
  const clientToken = isObject(auth) ? auth["client_token"] : undefined;
  if (!isObject(auth) || typeof clientToken !== "string" || !isToken(clientToken)) {
    throw answerInvalid(UNWRAP, "it holds no token that can be sent").toError();
  }
  // Vault writes null where it means nothing.
  const [policies, identityPolicies] = [auth["policies"] ?? [], auth["identity_policies"] ?? []];
  const [accessor, tokenType] = [auth["accessor"] ?? "", auth["token_type"] ?? ""];
  const [leaseSeconds, numUses] = [auth["lease_duration"] ?? 0, auth["num_uses"] ?? 0];
  const areTexts = isTexts(policies) && isTexts(identityPolicies) && isText(accessor) && isText(tokenType);
  if (areTexts && isCount(leaseSeconds) && isCount(numUses)) {
    return { clientToken, accessor, policies, identityPolicies, leaseSeconds, numUses, tokenType };
  }
  // The token exists, so it is to be revoked, and for nothing else.
  return { clientToken, accessor: "", policies: [], identityPolicies: [], leaseSeconds: 0, numUses: 0, tokenType: "" };
}

function isToken(text: string): boolean {
  return text.length <= MAX_TOKEN_BYTES && isVisibleAscii(text);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
