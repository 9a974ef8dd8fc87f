from __future__ import annotations

import pytest

from conftest import PASSWORD, MakeIntegration, MakeRequest
from node import Node
from vault_context import VaultContextError
from vault_context.testing import DevelopmentVault


def accessors(vault: DevelopmentVault) -> list[str]:
    listed: list[str] = vault.call("LIST", "auth/token/accessors")["data"]["keys"]
    return listed


def test_opens_reads_and_revokes(integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault) -> None:
    request = request_of()
    with integration().open(request.event) as token:
        assert token.kv("secret").get("prod/orders")["password"] == PASSWORD
        assert token.accessor == request.context["vaultWrappedAccessor"]
        assert token.accessor in accessors(vault)
        assert (token.caller.kind, token.caller.issuer, token.caller.id, token.caller.binding) == (
            "jwt",
            "corp",
            "corp:alice",
            "none",
        )
    assert token.accessor not in accessors(vault)


def test_takes_every_form_of_request(integration: MakeIntegration, request_of: MakeRequest) -> None:
    made = integration()
    for form in ("event", "event_v2"):
        with made.open(getattr(request_of(), form)) as token:
            assert token.grant == "orders-reader"
    with made.open_headers(request_of().headers) as token:
        assert token.policies == ("default", "orders-read")


def test_a_second_use_is_refused(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    request = request_of()
    with integration().open(request.event):
        pass
    with pytest.raises(VaultContextError) as refused, integration().open(request.event):
        pass
    assert (refused.value.code, refused.value.status) == ("wrapping_token_not_known", 503)
    assert len(node.calls("sys/wrapping/unwrap")) == 1
