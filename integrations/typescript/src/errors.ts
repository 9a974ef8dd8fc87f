// Why there is no token to use. Each text says what happened and what to do, for the person on call. None of it is for the
// caller of the API, who gets `status` and at most `code`.

/** Stable names of what went wrong, for logs, metrics and alarms. */
export type ErrorCode =
  | "no_context"
  | "no_token"
  | "context_invalid"
  | "address_mismatch"
  | "namespace_mismatch"
  | "creation_path_mismatch"
  | "not_valid_any_more"
  | "wrapping_token_not_known"
  | "wrapping_token_expired"
  | "accessor_mismatch"
  | "lease_too_long"
  | "identity_policies"
  | "not_a_service_token"
  | VaultErrorCode;

/** The codes of a call that Vault did not answer, or refused. */
export type VaultErrorCode = OutageCode | DenialCode;

type OutageCode = "vault_unreachable" | "vault_timed_out" | "vault_sealed" | "vault_throttled" | "vault_unavailable";

type DenialCode =
  | "vault_forbidden"
  | "vault_token_not_valid"
  | "vault_refused"
  | "vault_wrapping_token_not_valid"
  | "vault_call_invalid"
  | "vault_answer_invalid"
  | "vault_answer_too_large";

/** The HTTP status to answer the caller of the API with. */
export type ErrorStatus = 403 | 500 | 503;

/** The base of all errors of this package. Holds no token and no secret. */
export class VaultContextError extends Error {
  override readonly name: string = "VaultContextError";
  readonly code: ErrorCode;
  readonly status: ErrorStatus;
  /** Whether Vault, or the way to it, is down: the same call may succeed a moment later. */
  readonly isOutage: boolean;

  constructor(code: ErrorCode, status: ErrorStatus, message: string) {
    super(message);
    this.code = code;
    this.status = status;
    this.isOutage = status === 503;
  }
}

/** The request brought no context, or a context without a token. */
export class ContextMissing extends VaultContextError {
  override readonly name = "ContextMissing";
}

/** The context is broken, or disagrees with the integration's own configuration. */
export class ContextTampered extends VaultContextError {
  override readonly name = "ContextTampered";
}

/** Vault does not know the wrapping token, or no longer. */
export class TokenSpent extends VaultContextError {
  override readonly name = "TokenSpent";
}

/** The wrapping token's time was up before it was opened. */
export class TokenExpired extends VaultContextError {
  override readonly name = "TokenExpired";
}

/** The token inside is not the one the authorizer announced. */
export class AccessorMismatch extends VaultContextError {
  override readonly name = "AccessorMismatch";
}

/** The token lives longer than the integration accepts. */
export class LeaseTooLong extends VaultContextError {
  override readonly name = "LeaseTooLong";
}

/** Vault, or the way to it, is down. */
export class VaultUnavailable extends VaultContextError {
  override readonly name = "VaultUnavailable";
}

/** Vault refused, or gave a token or an answer that must not be used. */
export class VaultDenied extends VaultContextError {
  override readonly name = "VaultDenied";
}

const OUTAGES: ReadonlySet<string> = new Set<OutageCode>([
  "vault_unreachable",
  "vault_timed_out",
  "vault_sealed",
  "vault_throttled",
  "vault_unavailable",
]);

export function isOutageCode(code: VaultErrorCode): boolean {
  return OUTAGES.has(code);
}

export function vaultError(code: VaultErrorCode, message: string): VaultContextError {
  return isOutageCode(code) ? new VaultUnavailable(code, 503, message) : new VaultDenied(code, 500, message);
}

export function noContext(): ContextMissing {
  return new ContextMissing(
    "no_context",
    403,
    "the request carries no authorizer context: the route has no authorizer, or the API was called around the gateway; " +
      "attach vault-authorizer to the route",
  );
}

export function noToken(): ContextMissing {
  return new ContextMissing(
    "no_token",
    403,
    "the grant has `mode: none`, so there is no Vault token: give the grant a `token`, or do not ask for one",
  );
}

export function contextInvalid(problem: string): ContextTampered {
  return new ContextTampered(
    "context_invalid",
    403,
    `the authorizer's context ${problem}: check that the authorizer and vault-context are of one version; if they are, ` +
      "the context may have been tampered with",
  );
}

export function addressMismatch(): ContextTampered {
  return new ContextTampered(
    "address_mismatch",
    403,
    "the context names another Vault address than this integration's `address`: align the two configurations; if they " +
      "agree, the context may have been tampered with",
  );
}

export function namespaceMismatch(): ContextTampered {
  return new ContextTampered(
    "namespace_mismatch",
    403,
    "the context names another Vault namespace than this integration's `namespace`: align the two configurations; if " +
      "they agree, the context may have been tampered with",
  );
}

export function creationPathMismatch(seenAt: "the context" | "Vault's lookup"): ContextTampered {
  return new ContextTampered(
    "creation_path_mismatch",
    403,
    `${seenAt} names a creation path this integration does not expect: add the grant's \`auth/token/create/<role>\` to ` +
      "`creationPaths` if it belongs there; if not, the token may have been intercepted and wrapped again, search Vault's " +
      "audit log for the accessor",
  );
}

export function tokenExpired(): TokenExpired {
  return new TokenExpired(
    "wrapping_token_expired",
    403,
    "the wrapping token expired before it was opened: raise the grant's `wrap_ttl`, or find out what delayed the request; " +
      "the clocks may also differ",
  );
}

export function tokenNotKnown(): TokenSpent {
  return new TokenSpent(
    "wrapping_token_not_known",
    503,
    "no node of Vault that was asked knows the wrapping token: the nodes lag behind the active one, so check Vault's " +
      "replication; or the token was opened or revoked before, so look for `sys/wrapping/unwrap` in " +
      "`vault-authorizer trace`, and set authorizerResultTtlInSeconds to 0: API Gateway replays a cached token",
  );
}

export function tokenNotValidAnyMore(): TokenSpent {
  return new TokenSpent(
    "not_valid_any_more",
    403,
    "the wrapping token was there and then was gone: somebody else opened or revoked it in that moment, so it may have been " +
      "intercepted, search Vault's audit log for the accessor; or two requests share one cached answer of the authorizer, " +
      "set authorizerResultTtlInSeconds to 0",
  );
}

export function accessorMismatch(): AccessorMismatch {
  return new AccessorMismatch(
    "accessor_mismatch",
    403,
    "the unwrapped token has another accessor than the authorizer announced: it was replaced on the way; it has been revoked, " +
      "search Vault's audit log for both accessors",
  );
}

export function identityPolicies(): VaultDenied {
  return new VaultDenied(
    "identity_policies",
    403,
    "the unwrapped token carries policies of an entity besides its role's: set `allowIdentityPolicies` in this integration " +
      "if the grant has an `entity_alias`; the token has been revoked",
  );
}

export function leaseTooLong(leaseSeconds: number, limitSeconds: number): LeaseTooLong {
  return new LeaseTooLong(
    "lease_too_long",
    403,
    `the unwrapped token lives ${leaseSeconds} s (0 is without end) and this integration accepts ${limitSeconds} s: set the ` +
      "token role's token_explicit_max_ttl, or raise `maxLeaseSeconds`; the token has been revoked",
  );
}

export function notAServiceToken(): VaultDenied {
  return new VaultDenied(
    "not_a_service_token",
    403,
    "what was wrapped is not a Vault service token: set the token role's token_type to service",
  );
}
