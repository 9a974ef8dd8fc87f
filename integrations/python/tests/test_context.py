from __future__ import annotations

from typing import Any

import pytest

from vault_context import ContextMissing, ContextTampered, VaultContextError
from vault_context.context import FIELDS, from_event, from_headers

TOKEN = "hvs.AtokenThatNobodyMaySee"
WHOLE: dict[str, Any] = {
    "vaultWrappingToken": TOKEN,
    "vaultWrappedAccessor": "accessor",
    "vaultCreationPath": "auth/token/create/orders-prod-reader",
    "vaultAddress": "https://vault.example.com:8200",
    "vaultNamespace": "platform",
    "vaultWrapExpiresAt": "1900000000",
    "vaultGrant": "orders-reader",
    "callerKind": "jwt",
    "callerIssuer": "corp",
    "callerId": "corp:alice",
    "callerBinding": "dpop",
    "contextVersion": "1",
}


def event(**changes: Any) -> dict[str, Any]:
    context = {**WHOLE, **changes, "somebodyElses": {"not": "read"}}
    return {"requestContext": {"authorizer": context}}


def refused(**changes: Any) -> VaultContextError:
    with pytest.raises(VaultContextError) as caught:
        from_event(event(**changes))
    return caught.value


def test_reads_a_whole_context_from_every_place() -> None:
    pairs = [(FIELDS[key].upper().replace("-", "_"), value) for key, value in WHOLE.items()]
    for context in (
        from_event(event()),
        from_event({"requestContext": {"authorizer": {"lambda": WHOLE}}}),
        from_headers({FIELDS[key]: value for key, value in WHOLE.items()}),
        from_headers(pairs),
        from_headers([(name.encode(), value.encode()) for name, value in pairs]),
    ):
        assert context.grant == "orders-reader"
        assert (context.caller.issuer, context.caller.binding) == ("corp", "dpop")
        assert context.wrapped is not None
        assert (context.wrapped.token.expose(), context.wrapped.expires_at) == (TOKEN, 1_900_000_000)
        assert TOKEN not in repr(context)


def test_numbers_and_booleans_are_texts_and_absent_values_have_defaults() -> None:
    context = from_event(event(contextVersion=1, vaultWrapExpiresAt=19, vaultGrant=True, callerIssuer=None, callerBinding=""))
    assert (context.grant, context.caller.issuer, context.caller.binding) == ("true", None, "none")


def test_a_grant_without_a_token_has_no_wrapped_part() -> None:
    context = from_event(event(**dict.fromkeys(tuple(FIELDS)[:6])))
    assert context.wrapped is None


@pytest.mark.parametrize(
    "missing",
    [
        {},
        {"requestContext": None},
        {"requestContext": {"authorizer": None}},
        {"requestContext": {"authorizer": "x"}},
        {"requestContext": {"authorizer": {"lambda": {}}}},
        {"requestContext": {"authorizer": {"principalId": "x", "vaultGrant": "", "callerId": None}}},
        {"requestContext": {"authorizer": {"lambda": {"other": "1"}, **WHOLE}}},
    ],
)
def test_an_event_without_the_contract_has_no_context(missing: dict[str, Any]) -> None:
    with pytest.raises(ContextMissing) as caught:
        from_event(missing)
    assert (caught.value.code, caught.value.status, caught.value.is_outage) == ("no_context", 403, False)


def test_headers_without_the_contract_have_no_context() -> None:
    with pytest.raises(ContextMissing, match="attach vault-authorizer"):
        from_headers({"Host": "example.com", "X-Vault-Token": TOKEN})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("contextVersion", "2"),
        ("contextVersion", None),
        ("contextVersion", 1.5),
        ("vaultGrant", ""),
        ("vaultGrant", ["orders-reader"]),
        ("vaultGrant", {"name": "orders-reader"}),
        ("vaultGrant", b"orders-reader"),
        ("vaultGrant", "a\nb"),
        ("vaultGrant", "a\x7fb"),
        ("vaultGrant", "a\x85b"),
        ("vaultGrant", "\ud800"),
        ("callerKind", None),
        ("callerKind", "JWT"),
        ("callerId", None),
        ("callerId", "é" * 1025),
        ("callerBinding", "cookie"),
        ("vaultWrappingToken", None),
        ("vaultWrappingToken", "with space"),
        ("vaultWrappingToken", "tökèn"),
        ("vaultWrappedAccessor", None),
        ("vaultCreationPath", None),
        ("vaultAddress", None),
        ("vaultWrapExpiresAt", None),
        ("vaultWrapExpiresAt", "+1900000000"),
        ("vaultWrapExpiresAt", "-1"),
        ("vaultWrapExpiresAt", "1_900"),
        ("vaultWrapExpiresAt", "١٩"),
        ("vaultWrapExpiresAt", "1.9"),
        ("vaultWrapExpiresAt", str(2**64)),
    ],
)
def test_a_malformed_context_is_refused_by_key_and_without_the_value(key: str, value: Any) -> None:
    error = refused(**{key: value})
    assert isinstance(error, ContextTampered)
    assert (error.code, error.status, error.is_outage) == ("context_invalid", 403, False)
    assert f"`{key}`" in str(error)
    assert TOKEN not in str(error)
    if isinstance(value, str) and len(value) > 2:
        assert value not in str(error)


def test_values_up_to_the_limits_are_accepted() -> None:
    context = from_event(event(callerId="é" * 1024, vaultWrapExpiresAt=str(2**64 - 1)))
    assert context.wrapped is not None
    assert context.wrapped.expires_at == 2**64 - 1


@pytest.mark.parametrize("second", ["X-Vault-Context-Grant", "x_vault_context-GRANT"])
@pytest.mark.parametrize("value", ["orders-reader", ""])
def test_a_header_sent_twice_is_refused(second: str, value: str) -> None:
    pairs = [(FIELDS[key], text) for key, text in WHOLE.items()]
    with pytest.raises(ContextTampered, match="`vaultGrant`: it was sent more than once"):
        from_headers([*pairs, (second, value)])


def test_a_header_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ContextTampered, match="`callerId`: it is not valid Unicode"):
        from_headers([(FIELDS["callerId"].encode(), b"\xff")])
