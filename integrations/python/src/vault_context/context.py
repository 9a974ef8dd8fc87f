"""The contract: what the authorizer tells the integration, as API Gateway carries it.

```text
REST, WebSocket, payload 1.0:          event["requestContext"]["authorizer"][key]
HTTP API, payload 2.0:                 event["requestContext"]["authorizer"]["lambda"][key]
container behind an HTTP integration:  X-Vault-Context-<Name>: <value>
```

Nothing here trusts what it carries. `integration` compares it with its own configuration.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import errors
from .hidden import Hidden, as_token

MAX_VALUE_BYTES = 2048
_MAX_U64 = 2**64 - 1

# Key and header of each field, in the order in which they are read.
FIELDS = {
    "vaultWrappingToken": "X-Vault-Context-Wrapping-Token",
    "vaultWrappedAccessor": "X-Vault-Context-Wrapped-Accessor",
    "vaultCreationPath": "X-Vault-Context-Creation-Path",
    "vaultAddress": "X-Vault-Context-Address",
    "vaultNamespace": "X-Vault-Context-Namespace",
    "vaultWrapExpiresAt": "X-Vault-Context-Wrap-Expires-At",
    "vaultGrant": "X-Vault-Context-Grant",
    "callerKind": "X-Vault-Context-Caller-Kind",
    "callerIssuer": "X-Vault-Context-Caller-Issuer",
    "callerId": "X-Vault-Context-Caller-Id",
    "callerBinding": "X-Vault-Context-Caller-Binding",
    "contextVersion": "X-Vault-Context-Version",
}
_TOKEN_KEYS = tuple(FIELDS)[:6]
_KEY_OF_HEADER = {header.lower(): key for key, header in FIELDS.items()}

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]


@dataclass(frozen=True)
class Caller:
    """Who is calling, as the authorizer verified it."""

    kind: str
    """`jwt`, `aws_identity` or `aws_iam`."""
    issuer: str | None
    """The configured name of the JWT's issuer."""
    id: str
    """`<issuer name>:<user claim>`, or the canonical ARN."""
    binding: str
    """What the caller proved to hold beside the token: `none`, `dpop` or `mtls`."""


@dataclass(frozen=True)
class Wrapped:
    """A wrapped Vault token, and what the authorizer says about it."""

    token: Hidden
    accessor: str
    creation_path: str
    address: str
    namespace: str | None
    expires_at: int


@dataclass(frozen=True)
class VaultContext:
    """What the authorizer found out and made for one request."""

    grant: str
    caller: Caller
    wrapped: Wrapped | None


def from_event(event: Mapping[str, Any]) -> VaultContext:
    """Read the event of a Lambda proxy integration, of any API type."""
    authorizer = _member(_member(event, "requestContext"), "authorizer")
    # A REST authorizer can have no object in its context, so an object called `lambda` is payload 2.0's.
    nested = _member(authorizer, "lambda")
    context = nested if isinstance(nested, Mapping) else authorizer
    if not isinstance(context, Mapping):
        raise errors.no_context()
    return _read({key: _checked(key, _flat(key, context[key])) for key in FIELDS if key in context})


def from_headers(headers: Headers) -> VaultContext:
    """Read request headers. Two spellings of one name are seen as two values, as lenient servers would."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    values: dict[str, str] = {}
    for name, value in pairs:
        key = _KEY_OF_HEADER.get(_text(name).lower().replace("_", "-"))
        if key is None:
            continue
        if key in values:
            raise _invalid(key, "it was sent more than once")
        values[key] = _checked(key, _flat(key, _text(value)))
    return _read(values)


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None


def _text(value: str | bytes) -> str:
    # What is not UTF-8 becomes surrogates, which `_checked` refuses.
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _flat(key: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise _invalid(key, "it is not a string")


def _checked(key: str, value: str) -> str:
    if any(unicodedata.category(letter) == "Cs" for letter in value):
        raise _invalid(key, "it is not valid Unicode")
    if len(value.encode()) > MAX_VALUE_BYTES:
        raise _invalid(key, "it is too long")
    if any(unicodedata.category(letter) == "Cc" for letter in value):
        raise _invalid(key, "it contains a control character")
    return value


def _invalid(key: str, reason: str) -> errors.VaultContextError:
    return errors.context_invalid(f"the authorizer's context has an invalid `{key}`: {reason}")


def _read(present: dict[str, str]) -> VaultContext:
    values = {key: value for key, value in present.items() if value}
    if not values:
        raise errors.no_context()
    if _required(values, "contextVersion") != "1":
        raise errors.context_invalid("the authorizer's context has a `contextVersion` other than 1, so update vault-context")
    grant = _required(values, "vaultGrant")
    return VaultContext(grant, _caller(values), _wrapped(values))


def _required(values: dict[str, str], key: str) -> str:
    if key not in values:
        raise errors.context_invalid(f"the authorizer's context has no `{key}`")
    return values[key]


def _caller(values: dict[str, str]) -> Caller:
    kind = _required(values, "callerKind")
    if kind not in ("jwt", "aws_identity", "aws_iam"):
        raise _invalid("callerKind", "it is not a kind of caller")
    caller_id = _required(values, "callerId")
    # An authorizer that is older than this field has proven none.
    binding = values.get("callerBinding", "none")
    if binding not in ("none", "dpop", "mtls"):
        raise _invalid("callerBinding", "it is not a kind of binding")
    return Caller(kind, values.get("callerIssuer"), caller_id, binding)


def _wrapped(values: dict[str, str]) -> Wrapped | None:
    """A token's fields come together or not at all."""
    if not any(key in values for key in _TOKEN_KEYS):
        return None
    token = as_token(_required(values, "vaultWrappingToken"))
    if token is None:
        raise _invalid("vaultWrappingToken", "it is not a token")
    accessor = _required(values, "vaultWrappedAccessor")
    creation_path = _required(values, "vaultCreationPath")
    address = _required(values, "vaultAddress")
    expires_at = _unix_seconds("vaultWrapExpiresAt", _required(values, "vaultWrapExpiresAt"))
    return Wrapped(token, accessor, creation_path, address, values.get("vaultNamespace"), expires_at)


def _unix_seconds(key: str, value: str) -> int:
    # `int` alone would let a sign, spaces, underscores and other alphabets' digits through.
    if value.isascii() and value.isdigit() and int(value) <= _MAX_U64:
        return int(value)
    raise _invalid(key, "it is not a time in Unix seconds")
