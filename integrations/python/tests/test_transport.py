from __future__ import annotations

import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from conftest import CREATION_PATH, PASSWORD, MakeIntegration, MakeRequest
from node import Action, Node, Received, Reply, passed_on, raw
from test_context import WHOLE, event
from test_lag import READ, REVOKE, read, write
from test_refusals import LOOKUP, UNWRAP, refusal
from vault_context import Integration, VaultContextError, VaultDenied, __version__
from vault_context.testing import DevelopmentVault, WrappedRequest

MEBIBYTE = 1024 * 1024


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(VaultContextError) as caught:
        call()
    return caught.value.code


def test_sends_the_documented_headers_and_nothing_else(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    made, request = integration(), request_of()
    with made.open(request.event) as token:
        read(token)
        write(token)
    wrapping_token = request.context["vaultWrappingToken"]
    always = {"host", "accept-encoding", "user-agent", "x-vault-request"}
    for received in node.received:
        assert received.headers["user-agent"] == f"vault-context-python/{__version__}"
        assert received.headers["x-vault-request"] == "true"
    lookup, unwrap, got, posted, revoke = node.received
    assert set(lookup.headers) == always | {"content-type", "content-length"}
    assert lookup.body == f'{{"token": "{wrapping_token}"}}'.encode()
    assert set(unwrap.headers) == always | {"x-vault-token", "content-length"}
    assert (unwrap.headers["x-vault-token"], unwrap.body) == (wrapping_token, b"")
    assert set(got.headers) == always | {"x-vault-token"}
    assert set(posted.headers) == always | {"x-vault-token", "content-type", "content-length"}
    assert posted.headers["content-type"] == "application/json"
    assert (revoke.method, revoke.body) == ("POST", b"")
    with made.open(request_of().event):
        pass
    assert len({received.connection for received in node.received}) == 1


def test_the_namespace_goes_with_every_call(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    def in_namespace(node: Node, received: Received) -> Reply:
        # OpenBao has no such namespace, so the header stays here.
        assert received.headers.pop("x-vault-namespace") == "platform/team1"
        return passed_on(node, received)

    node.always = dict.fromkeys((LOOKUP, UNWRAP, READ, REVOKE), in_namespace)
    request = request_of({"vaultNamespace": "platform/team1"})
    with integration(namespace="/platform/team1/").open(request.event) as token:
        read(token)
    assert node.paths() == [LOOKUP, UNWRAP, READ, REVOKE]


@pytest.mark.usefixtures("hostile_environment")
def test_reads_nothing_from_the_environment(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    with integration().open(request_of().event) as token:
        read(token)
        token.hvac.secrets.kv.v2.read_secret_version("prod/orders", raise_on_deleted_version=True)
    assert node.paths() == [LOOKUP, UNWRAP, READ, READ, REVOKE]
    for received in node.received:
        assert "hostile" not in str(received.headers)
        assert "authorization" not in received.headers


def test_follows_no_redirect(integration: MakeIntegration, request_of: MakeRequest, node: Node, vault: DevelopmentVault) -> None:
    elsewhere = Node(vault.address)
    with integration().open(request_of().event) as token:
        for status, code in [(307, "vault_unavailable"), (301, "vault_answer_invalid"), (308, "vault_answer_invalid")]:
            node.script[READ] = [raw(status, location=f"{elsewhere.address}/v1/{READ}")]
            assert code_of(lambda: write(token)) == code
    elsewhere.stop()
    assert elsewhere.received == []
    # What is left unread on a connection would be taken for the next answer.
    assert len({received.connection for received in node.calls(READ)}) == 3


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (raw(200, b'{"data": "' + b"x" * MEBIBYTE + b'"}'), "vault_answer_too_large"),
        (raw(200, b"[" * 100_000), "vault_answer_invalid"),
        (raw(200, b""), "vault_answer_invalid"),
        (raw(200, b'{"data": null}'), "vault_answer_invalid"),
        (raw(200, b'{"data": [1]}'), "vault_answer_invalid"),
        (raw(204), "vault_answer_invalid"),
        (raw(404, b'{"errors": []}'), "vault_refused"),
        (raw(404, b'{"data": {"data": null}}'), "vault_refused"),
        (raw(400, b"x" * 2 * MEBIBYTE), "vault_refused"),
        (raw(451, b"{}"), "vault_refused"),
    ],
)
def test_an_answer_that_is_not_vaults_is_refused(
    action: Action, code: str, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    with integration().open(request_of().event) as token:
        node.script[READ] = [action]
        with pytest.raises(VaultDenied) as caught:
            read(token)
        read(token)
    assert (caught.value.code, caught.value.status) == (code, 500)
    assert READ in str(caught.value)


def test_an_answer_of_a_mebibyte_is_read(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    frame = len(b'{"data": {"x": ""}}')
    with integration().open(request_of().event) as token:
        node.script[READ] = [raw(200, b'{"data": {"x": "' + b"x" * (MEBIBYTE - frame) + b'"}}')]
        assert len(token.read(READ).data["x"]) == MEBIBYTE - frame


NOT_PATHS = ["", "/a", "a/", "a//b", "a/../b", "..", "a/./b", "a?list=true", "a#b", "a\\b", "a\nb", "a\0", "a\x85b", "\ud800"]


@pytest.mark.parametrize("path", NOT_PATHS)
def test_a_path_that_climbs_or_ends_is_not_sent(
    path: str, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    with integration().open(request_of().event) as token:
        node.received.clear()
        uses: list[Callable[[], object]] = [
            lambda: token.read(path),
            lambda: token.write(path, {}),
            lambda: token.kv("secret").get(path),
            lambda: token.database(path).credentials("x"),
        ]
        for use in uses:
            assert code_of(use) == "vault_call_invalid"
        assert node.received == []


def test_a_body_without_a_json_form_is_not_sent(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless
    with integration().open(request_of().event) as token:
        node.received.clear()
        for body in ({"a": object()}, {"a": float("nan")}, endless):
            assert code_of(lambda body=body: token.write("a", body)) == "vault_call_invalid"  # type: ignore[misc]
        assert node.received == []


def test_each_segment_of_a_path_is_encoded(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    with integration().open(request_of().event) as token:
        node.always["kv1/a%20b/%252e%252e/%C3%A9"] = raw(200, b'{"data": {"found": true}}')
        assert token.read("kv1/a b/%2e%2e/é").data == {"found": True}


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that answers with a byte now and then, so that no single wait is long."""
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            while not stopped.wait(0.05):
                connection.sendall(b"H")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    stopped.set()
    thread.join()
    listener.close()


def test_a_call_ends_in_time_where_the_server_drips(dripping: str) -> None:
    integration = Integration(address=dripping, creation_paths=[CREATION_PATH], timeout=0.3)
    context = event(vaultAddress=dripping, vaultNamespace=None)
    assert refusal(integration, WrappedRequest(context["requestContext"]["authorizer"])).code == "vault_timed_out"


def test_an_address_where_nobody_listens_is_an_outage() -> None:
    integration = Integration(address="http://127.0.0.1:1", creation_paths=[CREATION_PATH])
    error = refusal(integration, WrappedRequest({**WHOLE, "vaultAddress": "http://127.0.0.1:1", "vaultNamespace": ""}))
    assert (error.code, error.status, error.is_outage) == ("vault_unreachable", 503, True)


def tls_request(address: str) -> dict[str, Any]:
    return event(vaultAddress=address, vaultNamespace=None)


def test_tls_is_verified_by_the_given_ca_alone(tls_vault: tuple[str, Path], hostile_environment: Path) -> None:
    address, ca_file = tls_vault
    trusting = Integration(address=address, creation_paths=[CREATION_PATH], ca_file=str(ca_file))
    # The made-up token arrives, and Vault does not know it.
    assert code_of(lambda: trusting.open(tls_request(address)).__enter__()) == "wrapping_token_not_known"
    distrusting = Integration(address=address, creation_paths=[CREATION_PATH])
    assert code_of(lambda: distrusting.open(tls_request(address)).__enter__()) == "vault_unreachable"
    other_name = address.replace("127.0.0.1", "127.0.0.2")
    misnamed = Integration(address=other_name, creation_paths=[CREATION_PATH], ca_file=str(ca_file))
    assert code_of(lambda: misnamed.open(tls_request(other_name)).__enter__()) == "vault_unreachable"
    assert not (hostile_environment / "keys").exists()
    assert trusting._vault.tls.minimum_version is ssl.TLSVersion.TLSv1_2


class OutOfTime(Exception):
    """As a handler of signals raises it."""


def test_a_call_that_a_signal_ends_leaves_its_answer_to_nobody(
    integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    def out_of_time(*_: object) -> None:
        raise OutOfTime

    def slowly(node: Node, received: Received) -> Reply:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        time.sleep(0.3)
        return passed_on(node, received)

    node.script[READ] = [slowly]
    before = signal.signal(signal.SIGALRM, out_of_time)
    try:
        with integration().open(request_of().event) as token:
            with pytest.raises(OutOfTime):
                token.read(READ)
            assert token.read(READ).data["data"]["password"] == PASSWORD
    finally:
        signal.signal(signal.SIGALRM, before)
    first, second = node.calls(READ)
    assert first.connection != second.connection
