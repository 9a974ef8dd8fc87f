from __future__ import annotations

from pathlib import Path

import hvac
import pytest
import requests

from conftest import PASSWORD, MakeIntegration, MakeRequest
from node import Node, raw
from test_lag import READ
from vault_context import Integration
from vault_context.hidden import Hidden
from vault_context.hvac_client import client


def test_hvac_reads_with_the_token(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    assert client(integration(namespace="team")._vault, Hidden("hvs.unknown"))._adapter.namespace == "team"
    with integration().open(request_of().event) as token:
        answer = token.hvac.secrets.kv.v2.read_secret_version("prod/orders", raise_on_deleted_version=True)
        assert answer["data"]["data"]["password"] == PASSWORD
    assert node.calls(READ)[0].headers["x-vault-request"] == "true"


def test_hvac_follows_no_redirect(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    with integration().open(request_of().event) as token:
        node.script[READ] = [raw(307, location=f"{node.address}/v1/elsewhere")]
        assert token.hvac.read(READ).status_code == 307
    assert "elsewhere" not in node.paths()


@pytest.mark.usefixtures("hostile_environment")
def test_hvac_verifies_by_the_given_ca_alone(tls_vault: tuple[str, Path]) -> None:
    address, ca_file = tls_vault
    trusting = Integration(address=address, creation_paths=["auth/token/create/x"], ca_file=str(ca_file))
    assert client(trusting._vault, Hidden("root")).sys.read_health_status(method="GET")["sealed"] is False
    with pytest.raises(hvac.exceptions.Forbidden):
        client(trusting._vault, Hidden("hvs.unknown")).read("sys/mounts")
    distrusting = Integration(address=address, creation_paths=["auth/token/create/x"])
    with pytest.raises(requests.exceptions.SSLError):
        client(distrusting._vault, Hidden("root")).read("sys/mounts")
