from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator

import pytest

from conftest import PASSWORD, MakeIntegration, MakeRequest
from node import Action, Node, Received, Reply, broken, json_reply, passed_on, raw, says
from test_lag import READ, REVOKE
from test_refusals import LOOKUP, UNWRAP
from vault_context import Credentials, Lease, Secret, VaultContextError
from vault_context.answer import refused
from vault_context.hidden import Hidden
from vault_context.message import harmless

# Arguments, which the caller's frames show as well.
THE_CALLERS_OWN = ("event", "data", "body")
LEASE_ID = "database/creds/reader/abcdefgh"


def token_inside(node: Node, received: Received, found: list[str]) -> Reply:
    reply = passed_on(node, received)
    found.append(json.loads(reply.body)["auth"]["client_token"])
    return reply


@pytest.fixture
def inside(node: Node) -> list[str]:
    """The token that OpenBao gave for the wrapping token."""
    found: list[str] = []
    node.always[UNWRAP] = lambda node, received: token_inside(node, received, found)
    return found


def test_nothing_shows_a_secret(
    integration: MakeIntegration, request_of: MakeRequest, node: Node, inside: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    creds = {"data": {"username": "v-orders", "password": PASSWORD}, "lease_id": LEASE_ID, "lease_duration": 60, "renewable": True}
    node.always["database/creds/reader"] = json_reply(200, creds)
    node.always[REVOKE] = says(500, "internal error")
    made, request = integration(), request_of()
    with made.open(request.event) as token:
        credentials, secret = token.database("database").credentials("reader"), token.read(READ)
        leased = token.read("database/creds/reader")
        shown = [repr(value) for value in (made, token, credentials, secret, leased, token.kv("secret"), vars(token), request)]
        shown += [f"{token} {secret} {credentials} {leased.lease}"]
    (wrapped, client_token) = request.context["vaultWrappingToken"], inside[0]
    assert "code=vault_unavailable" in caplog.text
    assert f"accessor={token.accessor}" in caplog.text
    assert "lease_id_sha256=" in caplog.text
    for text in (*shown, caplog.text):
        for hidden in (wrapped, client_token, PASSWORD, LEASE_ID):
            assert hidden not in text


def test_repr_is_exactly_what_may_be_shown(integration: MakeIntegration, request_of: MakeRequest) -> None:
    with integration().open(request_of().event) as token:
        shown = f"grant='orders-reader', accessor='{token.accessor}', policies=('default', 'orders-read'), lease_seconds=120"
        assert repr(token) == f"Token({shown})"
    lease = Lease(LEASE_ID, 60, True)
    assert repr(Secret({"password": PASSWORD}, lease)) == "Secret(lease=Lease(duration_seconds=60, renewable=True))"
    assert repr(Credentials("v-orders", PASSWORD, 60)) == "Credentials(username='v-orders', lease_seconds=60)"
    assert repr(Hidden("hvs.secret")) == "Hidden(***)"


def test_a_token_is_neither_pickled_nor_copied_nor_made_json(integration: MakeIntegration, request_of: MakeRequest) -> None:
    with integration().open(request_of().event) as token:
        for value in (token, Hidden("hvs.secret")):
            copies: list[Callable[[object], object]] = [pickle.dumps, copy.copy, copy.deepcopy, json.dumps]
            for copied in copies:
                with pytest.raises(TypeError):
                    copied(value)


def locals_of(error: BaseException) -> Iterator[str]:
    """What an error tracker sends: the local variables of each frame of this package."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "vault_context" in frame.f_code.co_filename:
            yield repr({name: value for name, value in frame.f_locals.items() if name not in THE_CALLERS_OWN})


@pytest.mark.parametrize(
    "action",
    [
        broken,
        says(403, "permission denied"),
        says(500, "internal error"),
        raw(200, b"<html>"),
        lambda _node, received: Reply(400, json.dumps({"errors": [f"bad token {received.headers.get('x-vault-token')}"]}).encode()),
        lambda _node, received: Reply(400, b"sent " + received.body.replace(PASSWORD.encode(), b"")),
    ],
)
@pytest.mark.parametrize("path", [LOOKUP, UNWRAP, READ])
def test_an_error_carries_no_secret(
    path: str, action: Action, integration: MakeIntegration, request_of: MakeRequest, node: Node, inside: list[str]
) -> None:
    node.always[path] = action
    request = request_of()
    with pytest.raises(VaultContextError) as caught, integration().open(request.event) as token:
        token.write(READ, {"data": {"password": PASSWORD}})
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    for text in (str(error), repr(error), *locals_of(error)):
        for hidden in (request.context["vaultWrappingToken"], PASSWORD, *inside):
            assert hidden not in text
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


@pytest.mark.parametrize("revoked", [True, False])
def test_a_refused_token_is_in_no_frame_of_the_error(
    revoked: bool, integration: MakeIntegration, request_of: MakeRequest, node: Node, inside: list[str]
) -> None:
    if not revoked:
        node.always[REVOKE] = says(500, "internal error")
    request = request_of({"vaultWrappedAccessor": "another-accessor"})
    with pytest.raises(VaultContextError) as caught, integration().open(request.event):
        pass
    assert caught.value.code == "accessor_mismatch"
    for text in locals_of(caught.value):
        for hidden in (request.context["vaultWrappingToken"], *inside):
            assert hidden not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("missing client token\nmore", "missing client token"),
        ("1 error occurred:\n\t* permission denied\n\n", "permission denied"),
        ("bad sent-secret here", "bad … here"),
        ("bad hvs.CAESIJ1234567890abcd here", "bad … here"),
        ("bad s.KGXDu8CLc1DnGKEU4KBqXzzW here", "bad … here"),
        ("bad eyJhbGciOi.x.y here", "bad … here"),
        ("key 0123456789abcdef0123456789abcdef", "key …"),
        ("<html><body>secret", ""),
        ("STS said <Error>secret</Error>", "STS said"),
        ("a\x1b[31mb", "a[31mb"),
        ("no handler for route 'secret/data/prod/orders'", "no handler for route 'secret/data/prod/orders'"),
        ("w " * 400, ("w " * 200).strip()),
        ("", ""),
    ],
)
def test_a_message_of_vaults_is_made_harmless(text: str, shown: str) -> None:
    assert harmless(text, ("sent-secret",)) == shown


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"errors": ["missing"]}', "missing"),
        (b'{"errors": []}', "no reason given"),
        (b'{"errors": [1]}', "no reason given"),
        (b'{"data": {"password": "hunter2"}}', "no reason given"),
        (b"", "another server may be at this address"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_a_refusal_says_why(body: bytes, reason: str) -> None:
    failure = refused("a/b", 400, sent_token=True, retry_after=False, body=body, secrets=())
    assert failure.text.startswith("Vault refused `a/b` (status 400): ")
    assert failure.text.endswith(reason)
