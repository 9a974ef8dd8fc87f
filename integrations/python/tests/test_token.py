from __future__ import annotations

import logging

import pytest

from conftest import MakeIntegration, MakeRequest
from node import Action, Node, broken, json_reply, lost, says
from test_lag import READ, REVOKE
from test_scope import accessors
from vault_context import Lease, VaultContextError
from vault_context.testing import DevelopmentVault

CREDS = "database/creds/reader"


def test_a_token_is_revoked_after_an_exception(
    integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault
) -> None:
    with pytest.raises(KeyError, match="of the handler"), integration().open(request_of().event) as token:
        raise KeyError("of the handler")
    assert token.accessor not in accessors(vault)


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (says(500, "internal"), "vault_unavailable"),
        (broken, "vault_unreachable"),
        (says(403, "permission denied"), "vault_token_not_valid"),
    ],
)
def test_a_failed_revocation_is_logged_and_fails_nothing(
    action: Action, code: str, integration: MakeIntegration, request_of: MakeRequest, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.always[REVOKE] = action
    with integration().open(request_of().event) as token:
        pass
    with pytest.raises(KeyError), integration().open(request_of().event):
        raise KeyError
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert warnings[0].endswith(f"code={code} accessor={token.accessor}")


def test_a_revocation_that_may_have_been_done_is_not_repeated(
    integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.always[REVOKE] = lost
    with integration().open(request_of().event):
        pass
    assert len(node.calls(REVOKE)) == 1


def test_a_token_cannot_be_used_after_its_scope(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    with integration().open(request_of().event) as token:
        pass
    node.received.clear()
    for use in (lambda: token.read(READ), lambda: token.write(READ, {}), lambda: token.hvac):
        with pytest.raises(ValueError, match="used after its scope"):
            use()
    assert node.received == []


def test_reads_and_writes_both_versions_of_kv(integration: MakeIntegration, request_of: MakeRequest) -> None:
    with integration().open(request_of().event) as token:
        assert token.write("kv1/orders", {"user": "orders"}).data == {}
        assert token.read("kv1/orders").data == {"user": "orders"}
        assert token.read("kv1/orders").lease is None
        assert token.write("secret/data/prod/other", {"data": {"user": "other"}}).data["version"] >= 1
        assert token.kv("secret").get("prod/other") == {"user": "other"}


def test_kv_of_version_1_is_read_with_read(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    node.always["kv1/data/orders"] = json_reply(200, {"data": {"user": "orders"}})
    with integration().open(request_of().event) as token, pytest.raises(VaultContextError) as caught:
        token.kv("kv1").get("orders")
    assert "read version 1 with `token.read`" in str(caught.value)


def test_a_database_gives_credentials_and_a_lease(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    answer = {"data": {"username": "v-orders", "password": "x"}, "lease_id": "database/creds/reader/1", "lease_duration": 60}
    node.always[CREDS] = json_reply(200, answer)
    with integration().open(request_of().event) as token:
        credentials = token.database("database").credentials("reader")
        assert (credentials.username, credentials.password, credentials.lease_seconds) == ("v-orders", "x", 60)
        assert token.read(CREDS).lease == Lease("database/creds/reader/1", 60, False)
        node.always[CREDS] = json_reply(200, {"data": {"username": "v-orders"}})
        with pytest.raises(VaultContextError, match="it holds no username and password") as caught:
            token.database("database").credentials("reader")
    assert caught.value.code == "vault_answer_invalid"


def test_what_the_policies_do_not_allow_is_forbidden(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    with integration().open(request_of().event) as token, pytest.raises(VaultContextError) as caught:
        token.read("sys/policies/acl/orders-read")
    assert (caught.value.code, caught.value.status, caught.value.is_outage) == ("vault_forbidden", 500, False)
    assert len(node.calls("sys/policies/acl/orders-read")) == 1
