"""Why there is no Vault token, or no answer from Vault: `VaultContextError` and its classes.

The class tells who acts next, `code` is stable for logs and alarms, `status` is the answer for the API's caller, and the
text tells the person on call what to do. No text holds a token, a password or a value of the context.
"""

from __future__ import annotations

import logging

_log = logging.getLogger("vault_context")


class VaultContextError(Exception):
    """Any failure of this package. Catch it once, and answer with `status`."""

    _status = 500

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message

    @property
    def is_outage(self) -> bool:
        """Whether Vault, or the way to it, may be down. A later request gets another token and may succeed."""
        return False

    @property
    def status(self) -> int:
        """The HTTP status to answer the API's caller with."""
        return 503 if self.is_outage else self._status


class ContextMissing(VaultContextError):
    """The request carries no context, or the grant has no Vault token."""

    _status = 403


class ContextTampered(VaultContextError):
    """The context is malformed, or does not match this integration's configuration."""

    _status = 403


class TokenSpent(VaultContextError):
    """The wrapping token was opened by somebody else, or no node of Vault knows it."""

    _status = 403

    @property
    def is_outage(self) -> bool:
        """Nodes that lag behind are an outage. A token that was there and then was gone is not."""
        return self.code == "wrapping_token_not_known"


class TokenExpired(VaultContextError):
    """The wrapping token expired before it was opened."""

    _status = 403


class AccessorMismatch(VaultContextError):
    """The token inside is not the token that the authorizer announced."""

    _status = 403


class LeaseTooLong(VaultContextError):
    """The token lives longer than this integration accepts."""

    _status = 403


class VaultUnavailable(VaultContextError):
    """Vault cannot be reached, is sealed, is slow, or asks callers to slow down."""

    @property
    def is_outage(self) -> bool:
        """Always an outage."""
        return True


class VaultDenied(VaultContextError):
    """Vault refused a call, or the token inside is not acceptable."""

    @property
    def status(self) -> int:
        """403 for a token of the wrong kind, and 500 where this integration or its policies need a fix."""
        return 403 if self.code in ("identity_policies", "not_a_service_token") else 500


def answered(error: VaultContextError) -> tuple[int, dict[str, str], dict[str, str]]:
    """Log an error, and return status, headers and body of the answer to the API's caller, who learns the code alone."""
    _log.log(logging.WARNING if error.is_outage else logging.ERROR, "%s: %s", error.code, error)
    retry = {"retry-after": "1"} if error.status == 503 else {}
    return error.status, {"cache-control": "no-store", **retry}, {"error": error.code}


def no_context() -> VaultContextError:
    """The request came without the authorizer's context."""
    return ContextMissing(
        "no_context",
        "the request carries no authorizer context: the route has no authorizer, or the API was called around the gateway; "
        "attach vault-authorizer to the route",
    )


def no_token() -> VaultContextError:
    """The grant authorises without a Vault token."""
    return ContextMissing(
        "no_token",
        "the grant has `mode: none`, so there is no Vault token: give the grant a `token`, or do not ask for one",
    )


def context_invalid(problem: str) -> VaultContextError:
    """Part of the contract is missing or malformed."""
    return ContextTampered(
        "context_invalid",
        f"{problem}: check that the authorizer and vault-context have the same version, and that the route's mapping passes "
        "every key; if they do, the context may have been tampered with",
    )


def address_mismatch() -> VaultContextError:
    """The token comes from another Vault."""
    return ContextTampered(
        "address_mismatch",
        "the context names another Vault address than this integration's `address`: align the two configurations; "
        "if they agree, the context may have been tampered with",
    )


def namespace_mismatch() -> VaultContextError:
    """The token comes from another namespace."""
    return ContextTampered(
        "namespace_mismatch",
        "the context names another Vault namespace than this integration's `namespace`: align the two configurations; "
        "if they agree, the context may have been tampered with",
    )


def creation_path_mismatch(seen_at: str) -> VaultContextError:
    """The token was not made where this integration expects."""
    return ContextTampered(
        "creation_path_mismatch",
        f"{seen_at} names a creation path that this integration does not expect: add the grant's `auth/token/create/<role>` "
        "to `creation_paths` if it belongs there; if not, the token may have been intercepted and wrapped again, so search "
        "Vault's audit log for the accessor",
    )


def expired() -> VaultContextError:
    """The wrapping token's time was up."""
    return TokenExpired(
        "wrapping_token_expired",
        "the wrapping token expired before it was opened: raise the grant's `wrap_ttl`, or find out what delayed the request; "
        "the clocks may also differ",
    )


def not_known() -> VaultContextError:
    """No node that was asked knew the wrapping token, which says nothing about who opened it."""
    return TokenSpent(
        "wrapping_token_not_known",
        "no node of Vault that was asked knows the wrapping token: the nodes lag behind the active node, so check Vault's "
        "replication; or the token was opened or revoked before, so look for `sys/wrapping/unwrap` in `vault-authorizer trace`, "
        "and set authorizerResultTtlInSeconds to 0, because API Gateway replays a cached token",
    )


def not_valid_any_more() -> VaultContextError:
    """Vault knew the wrapping token, and a moment later it did not."""
    return TokenSpent(
        "not_valid_any_more",
        "the wrapping token was there and then was gone: somebody else opened or revoked it in that moment, so it may have been "
        "intercepted, search Vault's audit log for the accessor; or two requests share one cached answer of the authorizer, "
        "so set authorizerResultTtlInSeconds to 0",
    )


def accessor_mismatch() -> VaultContextError:
    """The token was replaced on the way."""
    return AccessorMismatch(
        "accessor_mismatch",
        "the unwrapped token has another accessor than the authorizer announced: it was replaced on the way; it has been "
        "revoked, search Vault's audit log for both accessors",
    )


def identity_policies() -> VaultContextError:
    """The token brings policies of an entity."""
    return VaultDenied(
        "identity_policies",
        "the unwrapped token carries policies of an entity besides its role's: set `allow_identity_policies=True` if the grant "
        "has an `entity_alias`; the token has been revoked",
    )


def lease_too_long(lease_seconds: int, limit_seconds: int) -> VaultContextError:
    """The token outlives the integration's limit."""
    return LeaseTooLong(
        "lease_too_long",
        f"the unwrapped token lives {lease_seconds} s (0 is without end) and this integration accepts {limit_seconds} s: set "
        "the token role's token_explicit_max_ttl, or raise `max_lease`; the token has been revoked",
    )


def not_a_service_token() -> VaultContextError:
    """What was wrapped is a batch token, or no token at all."""
    return VaultDenied(
        "not_a_service_token",
        "what was wrapped is not a Vault service token: set the token role's token_type to service",
    )
