"""The token after all checks, and what is read with it."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import answer, lag
from .answer import Answer, Failure
from .context import Caller
from .hidden import Hidden, NotCopied
from .transport import Vault

if TYPE_CHECKING:
    import hvac

REVOKE_SELF = "auth/token/revoke-self"
Again = Callable[[Failure], bool]
_log = logging.getLogger("vault_context")


@dataclass(frozen=True)
class Lease:
    """The lease of a dynamic secret."""

    id: str = field(repr=False)
    """It can revoke the secret, so log a hash of it."""
    duration_seconds: int
    renewable: bool


@dataclass(frozen=True)
class Secret:
    """What was read. Printing it shows the lease alone."""

    data: dict[str, Any] = field(repr=False)
    lease: Lease | None


@dataclass(frozen=True)
class Credentials:
    """A user of a database, made for this token. It ends with the token, or before."""

    username: str
    password: str = field(repr=False)
    lease_seconds: int


class TokenFacts(NotCopied):
    """What may be said and logged about a token."""

    def __init__(
        self, *, grant: str, caller: Caller, creation_path: str, accessor: str, policies: tuple[str, ...], lease_seconds: int
    ) -> None:
        self.grant = grant
        """Name of the grant that matched the caller."""
        self.caller = caller
        self.creation_path = creation_path
        self.accessor = accessor
        """Safe to log. It joins this log with the authorizer's log and Vault's audit log."""
        self.policies = policies
        self.lease_seconds = lease_seconds
        """How long the token lives, from when it was made."""

    def __repr__(self) -> str:
        facts = f"grant={self.grant!r}, accessor={self.accessor!r}, policies={self.policies!r}"
        return f"{type(self).__name__}({facts}, lease_seconds={self.lease_seconds})"


class Token(TokenFacts):
    """A Vault token that passed every check. Threads may share it."""

    def __init__(self, vault: Vault, token: Hidden, num_uses: int, **facts: Any) -> None:
        super().__init__(**facts)
        self._vault = vault
        self._token = token
        self._life = lag.Life(self.lease_seconds)
        self._num_uses = num_uses
        self._used = 0
        self._lock = threading.Lock()
        self._given_back = False

    def read(self, path: str) -> Secret:
        """Read a path. For KV version 2 there is `kv`."""
        body = self._answered("GET", path, again=self._may_read_again)
        if body.get("data") is None:
            raise answer.answer_invalid(path, "it holds no data").error()
        return self._secret(path, body)

    def write(self, path: str, data: dict[str, Any]) -> Secret:
        """Write to a path, such as `pki/issue/<role>`. An answer without data leaves `data` empty."""
        return self._secret(path, self._answered("POST", path, data))

    def kv(self, mount: str) -> KV:
        """Return the KV secrets engine, version 2, at a mount."""
        return KV(self, mount)

    def database(self, mount: str) -> Database:
        """Return the database secrets engine at a mount."""
        return Database(self, mount)

    @property
    def hvac(self) -> hvac.Client:
        """A new `hvac.Client` with this token, for everything else. It does not retry when a node lags behind."""
        from .hvac_client import client

        return client(self._vault, self._usable_token())

    def _answered(self, method: str, path: str, body: object = None, again: Again = lag.may_be_lag) -> dict[str, Any]:
        outcome = self._send(method, path, self._usable_token(), body, again)
        if isinstance(outcome, Failure):
            raise outcome.error()
        return outcome.body

    def _secret(self, path: str, body: dict[str, Any]) -> Secret:
        data = body.get("data")
        if not isinstance(data, dict | None):
            raise answer.answer_invalid(path, "its data is not an object").error()
        return Secret(data or {}, self._lease(body))

    def _usable_token(self) -> Hidden:
        if self._given_back:
            raise ValueError("the Vault token was used after its scope, where it was revoked: use it inside the `with` block")
        return self._token

    def _send(self, method: str, path: str, token: Hidden, body: object = None, again: Again = lag.may_be_lag) -> Answer | Failure:
        with self._lock:
            is_used_up = 0 < self._num_uses <= self._used
        life = lag.Life(0) if is_used_up else self._life
        outcome = lag.until_known(lambda: self._vault.send(method, path, token=token, body=body), life, again)
        # A node that knows the token counts the use, also where it refuses the call.
        if isinstance(outcome, Answer) or not (outcome.may_be_lag or outcome.not_sent):
            with self._lock:
                self._used += 1
        return outcome

    def _may_read_again(self, failure: Failure) -> bool:
        # A failed node may have counted the use.
        return failure.may_be_lag or (failure.code == "vault_unavailable" and self._num_uses == 0)

    def _lease(self, body: dict[str, Any]) -> Lease | None:
        lease_id = body.get("lease_id")
        if not isinstance(lease_id, str) or not lease_id:
            return None
        lease = Lease(lease_id, number(body, "lease_duration"), body.get("renewable") is True)
        # As in Vault's audit log, a hash stands for the id.
        digest = hashlib.sha256(lease_id.encode("utf-8", "replace")).hexdigest()
        _log.info("Vault gave a lease of %d s: lease_id_sha256=%s accessor=%s", lease.duration_seconds, digest, self.accessor)
        return lease

    def give_back(self) -> None:
        """Revoke the token, and with it every lease read with it. A failure is logged; the token then ends by its TTL."""
        self._given_back = True
        outcome = self._send("POST", REVOKE_SELF, self._token)
        if isinstance(outcome, Failure):
            log_not_revoked(outcome, self.accessor)


class KV:
    """A KV secrets engine, version 2."""

    def __init__(self, token: Token, mount: str) -> None:
        self._token = token
        self._mount = mount

    def get(self, path: str) -> dict[str, Any]:
        """Return the fields of a secret's current version."""
        full_path = f"{self._mount}/data/{path}"
        fields = self._token.read(full_path).data.get("data")
        if not isinstance(fields, dict):
            raise answer.answer_invalid(full_path, "it is not of KV version 2; read version 1 with `token.read`").error()
        return fields


class Database:
    """A database secrets engine."""

    def __init__(self, token: Token, mount: str) -> None:
        self._token = token
        self._mount = mount

    def credentials(self, role: str) -> Credentials:
        """Make a user of the database. It is removed when the token is revoked."""
        path = f"{self._mount}/creds/{role}"
        secret = self._token.read(path)
        username, password = secret.data.get("username"), secret.data.get("password")
        if not isinstance(username, str) or not isinstance(password, str) or secret.lease is None:
            raise answer.answer_invalid(path, "it holds no username and password with a lease").error()
        return Credentials(username, password, secret.lease.duration_seconds)


def log_not_revoked(failure: Failure, accessor: str) -> None:
    """Say that a token was left to its TTL."""
    _log.warning("the Vault token could not be revoked and ends by its TTL: code=%s accessor=%s", failure.code, accessor)


def number(body: dict[str, Any], name: str) -> int:
    """Return a count of seconds or uses, or 0 if Vault leaves it out."""
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
