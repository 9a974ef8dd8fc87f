package vaultcontext

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Classes of errors, to be used with [errors.Is].
var (
	// ErrContextMissing: the request carries no authorizer context, or its grant has no token.
	ErrContextMissing = errors.New("vaultcontext: context missing")
	// ErrContextTampered: the context is invalid, or does not match the integration's configuration.
	ErrContextTampered = errors.New("vaultcontext: context tampered")
	// ErrTokenSpent: Vault does not know the wrapping token, or no longer does.
	ErrTokenSpent = errors.New("vaultcontext: token spent")
	// ErrTokenExpired: the wrapping token expired before it was unwrapped.
	ErrTokenExpired = errors.New("vaultcontext: token expired")
	// ErrAccessorMismatch: the token inside is not the one the authorizer announced.
	ErrAccessorMismatch = errors.New("vaultcontext: accessor mismatch")
	// ErrLeaseTooLong: the token lives longer than the integration accepts.
	ErrLeaseTooLong = errors.New("vaultcontext: lease too long")
	// ErrVaultUnavailable: Vault or the network is down. Always an outage.
	ErrVaultUnavailable = errors.New("vaultcontext: vault unavailable")
	// ErrVaultDenied: Vault refused a call, or the unwrapped token is of the wrong kind.
	ErrVaultDenied = errors.New("vaultcontext: vault denied")
)

// Error explains why there is no token or no secret. Its text is meant for your log and not for the caller of the API. It
// holds no token, and it wraps nothing except the error of a context that ended.
type Error struct {
	class  error
	code   string
	text   string
	status int
	outage bool
	ended  error
	effect effect
}

// effect describes what a failed call may have done.
type effect struct {
	// lag: the node may only lag behind the others. It did nothing and did not count a use of the token.
	lag bool
	// notSent: the request certainly never reached Vault.
	notSent bool
	// broken: no connection could be made, or it broke.
	broken bool
}

func (e *Error) Error() string { return e.text }

// Is reports whether the error belongs to the class target, such as [ErrTokenSpent].
func (e *Error) Is(target error) bool { return target == e.class }

// Unwrap returns the error of the context if its end is the reason, so that errors.Is(err, context.Canceled) works.
func (e *Error) Unwrap() error { return e.ended }

// Code is a stable name for logs and metrics.
func (e *Error) Code() string { return e.code }

// IsOutage reports whether Vault or the network may be down, so that a later request may succeed.
func (e *Error) IsOutage() bool { return e.outage }

// Status is the HTTP status to respond with: 403, 500 or 503.
func (e *Error) Status() int { return e.status }

// mayBeOneNodes reports whether another node might have answered. The next call then uses a new connection.
func (e *Error) mayBeOneNodes() bool {
	return e.effect.lag || (e.outage && !e.effect.notSent && e.code != codeThrottled)
}

const (
	codeUnreachable           = "vault_unreachable"
	codeTimedOut              = "vault_timed_out"
	codeSealed                = "vault_sealed"
	codeThrottled             = "vault_throttled"
	codeUnavailable           = "vault_unavailable"
	codeForbidden             = "vault_forbidden"
	codeTokenNotValid         = "vault_token_not_valid"
	codeRefused               = "vault_refused"
	codeWrappingTokenNotValid = "vault_wrapping_token_not_valid"
	codeCallInvalid           = "vault_call_invalid"
	codeAnswerInvalid         = "vault_answer_invalid"
	codeAnswerTooLarge        = "vault_answer_too_large"
)

func refused(class error, code, text string) *Error {
	return &Error{class: class, code: code, text: text, status: http.StatusForbidden}
}

func unavailable(code, format string, args ...any) *Error {
	text := fmt.Sprintf(format, args...)
	return &Error{class: ErrVaultUnavailable, code: code, text: text, status: http.StatusServiceUnavailable, outage: true}
}

func denied(code, format string, args ...any) *Error {
	text := fmt.Sprintf(format, args...)
	return &Error{class: ErrVaultDenied, code: code, text: text, status: http.StatusInternalServerError}
}

func (e *Error) with(effect effect) *Error {
	e.effect = effect
	return e
}

func noContext() *Error {
	return refused(ErrContextMissing, "no_context", "the request carries no authorizer context: the route has no authorizer, "+
		"or the API was called around the gateway; attach vault-authorizer to the route")
}

func noToken() *Error {
	return refused(ErrContextMissing, "no_token", "the grant has `mode: none`, so there is no Vault token: give the grant a "+
		"`token`, or do not ask for one")
}

func contextInvalid(key, reason string) *Error {
	return contextUnusable(fmt.Sprintf("has an invalid `%s`: %s", key, reason))
}

func contextIncomplete(key string) *Error {
	return contextUnusable(fmt.Sprintf("has no `%s`", key))
}

func unsupportedVersion() *Error {
	return contextUnusable("has a `contextVersion` other than " + contextVersion)
}

func contextUnusable(reason string) *Error {
	return refused(ErrContextTampered, "context_invalid", "the authorizer's context "+reason+": check that the authorizer and "+
		"vaultcontext are of one version; if they are, the context may have been tampered with")
}

func addressMismatch() *Error {
	return refused(ErrContextTampered, "address_mismatch", "the context names another Vault address than this integration is "+
		"configured with: align the two configurations; if they are, the context may have been tampered with")
}

func namespaceMismatch() *Error {
	return refused(ErrContextTampered, "namespace_mismatch", "the context names another Vault namespace than this integration "+
		"is configured with: align the two configurations; if they are, the context may have been tampered with")
}

func creationPathMismatch(seenAt string) *Error {
	return refused(ErrContextTampered, "creation_path_mismatch", seenAt+" names a creation path this integration does not "+
		"expect: add the grant's `auth/token/create/<role>` to CreationPaths if it belongs there; if not, the token may have "+
		"been intercepted and wrapped again, search Vault's audit log for the accessor")
}

func notKnown() *Error {
	err := refused(ErrTokenSpent, "wrapping_token_not_known", "no node of Vault that was asked knows the wrapping token: the "+
		"nodes lag behind the active one, so check Vault's replication; or the token was opened or revoked before, so look for "+
		"`sys/wrapping/unwrap` in `vault-authorizer trace`, and set authorizerResultTtlInSeconds to 0: API Gateway replays a "+
		"cached token")
	err.outage, err.status = true, http.StatusServiceUnavailable
	return err
}

func notValidAnyMore() *Error {
	return refused(ErrTokenSpent, "not_valid_any_more", "the wrapping token was there and then was gone: somebody else opened "+
		"or revoked it in that moment, so it may have been intercepted, search Vault's audit log for the accessor; or two "+
		"requests share one cached answer of the authorizer, set authorizerResultTtlInSeconds to 0")
}

func expired() *Error {
	return refused(ErrTokenExpired, "wrapping_token_expired", "the wrapping token expired before it was opened: raise the "+
		"grant's `wrap_ttl`, or find out what delayed the request; the clocks may also differ")
}

func accessorMismatch() *Error {
	return refused(ErrAccessorMismatch, "accessor_mismatch", "the unwrapped token has another accessor than the authorizer "+
		"announced: it was replaced on the way; it has been revoked, search Vault's audit log for both accessors")
}

func leaseTooLong(seconds uint64, limit time.Duration) *Error {
	return refused(ErrLeaseTooLong, "lease_too_long", fmt.Sprintf("the unwrapped token lives %d s (0 is without end) and this "+
		"integration accepts %.0f s: set the token role's token_explicit_max_ttl, or raise MaxLease; the token has been revoked",
		seconds, limit.Seconds()))
}

func identityPolicies() *Error {
	return refused(ErrVaultDenied, "identity_policies", "the unwrapped token carries policies of an entity besides its role's: "+
		"set AllowIdentityPolicies if the grant has an `entity_alias`; the token has been revoked")
}

func notAServiceToken() *Error {
	return refused(ErrVaultDenied, "not_a_service_token", "what was wrapped is not a Vault service token: set the token role's "+
		"token_type to service")
}
