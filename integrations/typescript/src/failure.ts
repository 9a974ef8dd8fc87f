// What can go wrong with one call to Vault, and what that means for asking again.

import { isObject } from "./context.js";
import { isOutageCode, vaultError, type VaultContextError, type VaultErrorCode } from "./errors.js";
import { sanitized } from "./message.js";

export interface Call {
  readonly method: "GET" | "POST";
  /** Without `/v1/`, and without slashes at its ends. */
  readonly path: string;
  readonly token?: string;
  readonly body?: unknown;
}

export interface Reply {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** Why a call to Vault gave no answer. Holds no token and nothing that Vault said but a sanitized text. */
export class CallFailure {
  readonly code: VaultErrorCode;
  readonly message: string;
  /** Whether the node that answered may only lag behind the others. It did nothing then, and counted no use of a token. */
  readonly mayBeLag: boolean;
  /** Whether the request certainly never reached Vault. */
  readonly notSent: boolean;

  constructor(code: VaultErrorCode, message: string, { mayBeLag = false, notSent = false } = {}) {
    this.code = code;
    this.message = message;
    this.mayBeLag = mayBeLag;
    this.notSent = notSent;
  }

  get isOutage(): boolean {
    return isOutageCode(this.code);
  }

  /** Whether another node might have answered. A quota is the cluster's, and where nothing was sent there is no node. */
  get mayBeOneNodesOwn(): boolean {
    return this.mayBeLag || (this.isOutage && !this.notSent && this.code !== "vault_throttled");
  }

  toError(): VaultContextError {
    return vaultError(this.code, this.message);
  }
}

export function callInvalid(path: string, reason: string): CallFailure {
  return new CallFailure("vault_call_invalid", `\`${printable(path)}\` cannot be called: ${reason}`, { notSent: true });
}

/** The text has Node's code alone, because messages of TLS and HTTP errors can quote what a server sent. */
export function unreachable(path: string, notSent: boolean, error?: NodeJS.ErrnoException): CallFailure {
  const reason = error?.code === undefined ? "" : ` (${error.code})`;
  return new CallFailure("vault_unreachable", `Vault could not be reached for \`${path}\`${reason}`, { notSent });
}

export function timedOut(path: string): CallFailure {
  return new CallFailure("vault_timed_out", `Vault did not answer \`${path}\` in time`);
}

export function answerInvalid(path: string, reason: string): CallFailure {
  return new CallFailure("vault_answer_invalid", `the answer to \`${path}\` is not one of Vault's: ${reason}`);
}

export function answerTooLarge(path: string, limitBytes: number): CallFailure {
  return new CallFailure("vault_answer_too_large", `the answer to \`${path}\` is longer than ${limitBytes} bytes`);
}

/** Reads an answer that is not a success. The texts compared with are Vault's and OpenBao's own. */
export function refusal(call: Call, { status, retryAfter, body }: Reply): CallFailure {
  const { path } = call;
  if (status === 307) return unavailable(path, status, "a standby names another node, and redirects are not followed");
  if (status < 400) return answerInvalid(path, `its status is ${status}, and redirects are not followed`);
  const texts = textsOf(body);
  const says = (words: string) => texts.some((text) => text.includes(words));
  const message = sanitized(texts[0] ?? "", call.token) || (isJsonObject(body) ? "no reason given" : ANOTHER_SERVER);
  if (status === 429) return tooMany(path, message, isWordless(texts, retryAfter, body));
  if (status === 503 && says("Vault is sealed")) return new CallFailure("vault_sealed", `Vault is sealed (\`${path}\`)`);
  // The second text is of a token that is being unwrapped at this moment.
  const isUnknown = says("wrapping token is not valid or does not exist") || says("no information found");
  if (status === 400 && isUnknown) return wrappingTokenNotValid(path);
  if (status === 400 && says("leadership lost")) return unavailable(path, status, message);
  // Without a token a 403 speaks of the path alone.
  if (status === 403 && call.token !== undefined) {
    if (says("invalid token") || texts.includes("permission denied")) return tokenNotValid(path);
    if (says("permission denied")) return forbidden(path);
  }
  // A proxy without a Vault behind it. It must not pass for a Vault in which there is nothing at the path.
  if (status === 404 && !isJsonObject(body)) return unavailable(path, status, ANOTHER_SERVER);
  const isHealth = status >= 472 && status <= 474;
  if (status === 412 || isHealth || status >= 500) return unavailable(path, status, message);
  return new CallFailure("vault_refused", `Vault refused \`${path}\` (status ${status}): ${message}`);
}

const NOT_KNOWN = "it expired, was used up or was revoked, or this node does not know it yet";
const ANOTHER_SERVER = "the answer is not Vault's, so another server may be at this address";

/** A node that lags behind says it with 412, or with a 429 without a word. */
function unavailable(path: string, status: number, message: string): CallFailure {
  const text = `Vault cannot answer \`${path}\` now (status ${status}): ${message}`;
  return new CallFailure("vault_unavailable", text, { mayBeLag: status === 412 || status === 429 });
}

/** A quota of Vault's names the path. No body at all is not Vault's: then a `Retry-After` tells of a limit before it. */
function isWordless(texts: readonly string[], retryAfter: string | undefined, body: string): boolean {
  return texts.length === 0 && (retryAfter === undefined || body.trim() !== "");
}

function tooMany(path: string, message: string, isLag: boolean): CallFailure {
  if (isLag) return unavailable(path, 429, message);
  return new CallFailure("vault_throttled", `Vault's rate limit refused \`${path}\``);
}

export function wrappingTokenNotValid(path: string): CallFailure {
  const text = `Vault does not know the wrapping token sent to \`${path}\`: ${NOT_KNOWN}`;
  return new CallFailure("vault_wrapping_token_not_valid", text, { mayBeLag: true });
}

function tokenNotValid(path: string): CallFailure {
  const text = `Vault does not know the token sent to \`${path}\`: ${NOT_KNOWN}`;
  return new CallFailure("vault_token_not_valid", text, { mayBeLag: true });
}

function forbidden(path: string): CallFailure {
  return new CallFailure("vault_forbidden", `the token's policies do not allow \`${path}\``);
}

/**
 * `{"errors":["…"]}`, or whatever text something before Vault answered with. An object without errors may be data, such as the
 * metadata of a deleted version, which belongs in no message.
 */
function textsOf(body: string): readonly string[] {
  const answer = parsedObject(body);
  const errors = answer?.["errors"];
  if (Array.isArray(errors) && errors.every((text) => typeof text === "string")) return errors;
  if (answer !== undefined) return [""];
  return body.trim() === "" ? [] : [body];
}

function isJsonObject(body: string): boolean {
  return parsedObject(body) !== undefined;
}

/** Everything that Vault answers with is an object. */
export function parsedObject(body: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** A path that is not one to send can hold anything. */
function printable(path: string): string {
  return path.replace(/\p{Cc}/gu, "").slice(0, 200);
}
