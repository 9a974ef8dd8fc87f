"""The integration's side: from the context to a Vault token that may be used.

The context is compared with the configuration, and never believed: no address in it is dialled. The steps are Vault's own
advice for response wrapping, and two more checks: the accessor must be the announced one, and the token must have no other
policies than it was made with (https://developer.hashicorp.com/vault/docs/concepts/response-wrapping#response-wrapping-token-validation).
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from . import answer, context, errors
from .address import Address, is_creation_path, same_address
from .answer import Answer, Failure
from .async_token import AsyncToken, give_back, opened
from .context import Headers, VaultContext, Wrapped
from .hidden import Hidden, as_token, is_visible_ascii
from .lag import Life, Over, Patience, until_known
from .token import REVOKE_SELF, Token, log_not_revoked, number
from .transport import Vault, tls_context

_LOOKUP = "sys/wrapping/lookup"
_UNWRAP = "sys/wrapping/unwrap"
_LONGEST_TIMEOUT_SECONDS = 300


class Integration:
    """What an integration knows for itself: its Vault, and which tokens it expects. Make it once; threads may share it."""

    def __init__(
        self,
        *,
        address: str,
        creation_paths: Sequence[str],
        namespace: str | None = None,
        ca_file: str | None = None,
        max_lease: int = 900,
        timeout: float = 5.0,
        allow_identity_policies: bool = False,
    ) -> None:
        self._address = _address(address)
        self._creation_paths = _creation_paths(creation_paths)
        self._namespace = _namespace(namespace)
        self._max_lease = _max_lease(max_lease)
        self._allow_identity_policies = _flag("allow_identity_policies", allow_identity_policies)
        self._vault = Vault(self._address, self._namespace, _tls(ca_file), _timeout(timeout))

    def __repr__(self) -> str:
        return (
            f"Integration(address={str(self._address)!r}, creation_paths={self._creation_paths!r}, namespace={self._namespace!r})"
        )

    @contextmanager
    def open(self, event: Mapping[str, Any]) -> Iterator[Token]:
        """Open the token in the event of a Lambda proxy integration, and revoke it at the end of the `with` block."""
        with self._scope(context.from_event(event)) as token:
            yield token

    @contextmanager
    def open_headers(self, headers: Headers) -> Iterator[Token]:
        """Open the token in the headers of a request, and revoke it at the end of the `with` block."""
        with self._scope(context.from_headers(headers)) as token:
            yield token

    @asynccontextmanager
    async def aopen(self, event: Mapping[str, Any]) -> AsyncIterator[AsyncToken]:
        """As `open`, for `async with`. The calls of the token are awaited."""
        async with self._async_scope(context.from_event(event)) as token:
            yield token

    @asynccontextmanager
    async def aopen_headers(self, headers: Headers) -> AsyncIterator[AsyncToken]:
        """As `open_headers`, for `async with`. The calls of the token are awaited."""
        async with self._async_scope(context.from_headers(headers)) as token:
            yield token

    @contextmanager
    def _scope(self, received: VaultContext) -> Iterator[Token]:
        token = self._unwrapped(received)
        try:
            yield token
        finally:
            token.give_back()

    @asynccontextmanager
    async def _async_scope(self, received: VaultContext) -> AsyncIterator[AsyncToken]:
        token = await opened(lambda: self._unwrapped(received))
        try:
            yield token
        finally:
            await give_back(token)

    def _unwrapped(self, received: VaultContext) -> Token:
        wrapped, life = self._compare(received)
        self._look_up(wrapped, life, errors.not_known)
        auth = self._exchange(wrapped, life).body.get("auth")
        # Taken out, since an error tracker prints `auth` with the frame that raises.
        token = as_token(auth.pop("client_token", None)) if isinstance(auth, dict) else None
        if auth is None:
            raise errors.not_a_service_token()
        if not isinstance(auth, dict) or token is None:
            raise answer.answer_invalid(_UNWRAP, "it holds no token that can be sent").error()
        refusal = self._refusal(auth, wrapped)
        if refusal is not None:
            self._discard(token, auth)
            raise refusal
        return Token(
            self._vault,
            token,
            number(auth, "num_uses"),
            grant=received.grant,
            caller=received.caller,
            creation_path=wrapped.creation_path,
            accessor=wrapped.accessor,
            policies=tuple(auth.get("policies") or ()),
            lease_seconds=number(auth, "lease_duration"),
        )

    def _compare(self, received: VaultContext) -> tuple[Wrapped, Life]:
        """First step, without the network: the context agrees with this integration's configuration and is not too old."""
        wrapped = received.wrapped
        if wrapped is None:
            raise errors.no_token()
        if not same_address(self._address, wrapped.address):
            raise errors.address_mismatch()
        if wrapped.namespace != self._namespace:
            raise errors.namespace_mismatch()
        if wrapped.creation_path not in self._creation_paths:
            raise errors.creation_path_mismatch("the context")
        now = time.time()
        # A clock before 1970 is broken, and would make every token look fresh.
        if now < 0 or now >= wrapped.expires_at:
            raise errors.expired()
        return wrapped, Life(wrapped.expires_at - now)

    def _look_up(self, wrapped: Wrapped, life: Life, unknown: Callable[[], errors.VaultContextError]) -> None:
        """Retry until a node shows the token. `unknown` makes the error for the case that none does.

        Vault must name the expected creation path: a token that was intercepted and wrapped again has another.
        """
        outcome, over = self._lookup_outcome(wrapped.token, life)
        if isinstance(outcome, Failure):
            raise _given_up(outcome, over, unknown)
        data = outcome.body.get("data")
        creation_path = data.get("creation_path") if isinstance(data, dict) else None
        if not isinstance(creation_path, str):
            raise answer.answer_invalid(_LOOKUP, "it names no creation_path").error()
        # `_compare` let only an expected path through, so equality with it is enough.
        if creation_path != wrapped.creation_path:
            raise errors.creation_path_mismatch("Vault's lookup")

    def _lookup_outcome(self, token: Hidden, life: Life) -> tuple[Answer | Failure, Over | None]:
        patience, may_reconnect = Patience(), True
        while True:
            # Without X-Vault-Token: the wrapping token in that header would be used up.
            outcome = self._vault.send("POST", _LOOKUP, body={"token": token})
            if isinstance(outcome, Answer):
                if outcome.body.get("data") is not None:
                    return outcome, None
                # It is being unwrapped, or has only half come to this node.
                outcome = answer.wrapping_token_not_valid(_LOOKUP)
            if outcome.code == "vault_unreachable" and may_reconnect:
                # A function that was frozen finds its connections dead on first use.
                may_reconnect = False
                continue
            if not (outcome.may_be_lag or outcome.code == "vault_unavailable"):
                return outcome, None
            over = patience.pause(life)
            if over is not None:
                return outcome, over

    def _exchange(self, wrapped: Wrapped, life: Life) -> Answer:
        """Exchange the wrapping token for the token inside.

        Sent again only where it certainly did nothing and a lookup shows the token after that: after a lost answer the
        wrapping token may be used up, and the request has to fail.
        """
        patience = Patience()
        while True:
            # In the header alone: with the token in the body as well Vault burns it and answers 500.
            outcome = self._vault.send("POST", _UNWRAP, token=wrapped.token)
            if isinstance(outcome, Answer):
                return outcome
            if not (outcome.may_be_lag or outcome.not_sent):
                raise outcome.error()
            over = patience.pause(life)
            if over is Over.LIFE or (over is not None and outcome.is_outage):
                raise _given_up(outcome, over, errors.not_known)
            # With a patience of its own: an alarm must not rest on one node that lags.
            self._look_up(wrapped, life, errors.not_valid_any_more)
            if over is not None:
                raise errors.not_known()

    def _refusal(self, auth: dict[str, Any], wrapped: Wrapped) -> errors.VaultContextError | None:
        """Say what is wrong with the token inside, regardless of the context."""
        if auth.get("token_type") != "service":
            return errors.not_a_service_token()
        if auth.get("accessor") != wrapped.accessor:
            return errors.accessor_mismatch()
        if auth.get("identity_policies") and not self._allow_identity_policies:
            return errors.identity_policies()
        lease_seconds = number(auth, "lease_duration")
        # 0 is Vault's way to say that a token never ends.
        if lease_seconds == 0 or lease_seconds > self._max_lease:
            return errors.lease_too_long(lease_seconds, self._max_lease)
        return None

    def _discard(self, token: Hidden, auth: dict[str, Any]) -> None:
        """Revoke a token that this integration will not use."""
        life = Life(number(auth, "lease_duration") or math.inf)
        outcome = until_known(lambda: self._vault.send("POST", REVOKE_SELF, token=token), life)
        if isinstance(outcome, Failure):
            log_not_revoked(outcome, str(auth.get("accessor")))


def _given_up(failure: Failure, over: Over | None, unknown: Callable[[], errors.VaultContextError]) -> errors.VaultContextError:
    """Say what the last failure means when the retries are over."""
    # The node says itself that it lags, or there is none.
    if over is None or failure.is_outage:
        return failure.error()
    return errors.expired() if over is Over.LIFE else unknown()


def _address(address: object) -> Address:
    try:
        return Address.parse(address)
    except ValueError as error:
        raise ValueError(f"address: {error}. Example: https://vault.example.com:8200") from None


def _creation_paths(paths: object) -> tuple[str, ...]:
    if not isinstance(paths, list | tuple) or not paths:
        raise ValueError('creation_paths: it must be a list with a path. Example: ["auth/token/create/orders-prod-reader"]')
    for path in paths:
        if not is_creation_path(path):
            raise ValueError(f"creation_paths: {path!r} is not a path such as auth/token/create/orders-prod-reader")
    return tuple(paths)


def _namespace(namespace: object) -> str | None:
    if namespace is None:
        return None
    trimmed = namespace.strip("/") if isinstance(namespace, str) else ""
    if not trimmed or not is_visible_ascii(trimmed):
        raise ValueError("namespace: it must be visible ASCII such as platform/team1; leave it out where there is none")
    return trimmed


def _max_lease(seconds: object) -> int:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds <= 0:
        raise ValueError("max_lease: it must be a whole number of seconds above 0. Example: 900")
    return seconds


def _timeout(seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST_TIMEOUT_SECONDS:
        raise ValueError("timeout: it must be a number of seconds above 0 and at most 300. Example: 5.0")
    return float(seconds)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name}: it must be True or False")
    return value


def _tls(ca_file: object) -> ssl.SSLContext:
    if not isinstance(ca_file, str | None) or ca_file == "":
        raise ValueError("ca_file: it must be the path of a PEM file; leave it out to trust the system's roots")
    try:
        return tls_context(ca_file)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise ValueError(f"ca_file: {ca_file}: {reason}; it must be a readable PEM file with at least one certificate")
