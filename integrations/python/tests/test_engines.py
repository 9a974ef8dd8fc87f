from __future__ import annotations

import base64
import logging

import pytest

import engines
from conftest import MakeIntegration, MakeRequest
from node import Node, json_reply
from vault_context import VaultContextError
from vault_context.testing import DevelopmentVault

# Each capability is one that the table of secrets engines in docs/integrations/any-language.md asks for.
POLICY = """
path "secret/data/prod/tables" { capabilities = ["read"] }
path "kv/prod/supplier" { capabilities = ["read"] }
path "pki/issue/orders" { capabilities = ["update"] }
path "transit/encrypt/orders" { capabilities = ["update"] }
"""


@pytest.fixture(scope="module")
def mounted(vault: DevelopmentVault) -> DevelopmentVault:
    for engine in ("kv", "pki", "transit"):
        vault.call("POST", f"sys/mounts/{engine}", {"type": engine})
    vault.call("PUT", "sys/policies/acl/engines", {"policy": POLICY})
    vault.call("POST", "secret/data/prod/tables", {"data": {"orders": "orders_2026"}})
    vault.call("POST", "kv/prod/supplier", {"api_key": "of the supplier"})
    root = {"common_name": "example.com", "key_type": "ec"}
    role = {"allowed_domains": "example.com", "allow_subdomains": True, "key_type": "ec"}
    for path, body in (("root/generate/internal", root), ("roles/orders", role)):
        vault.call("POST", f"pki/{path}", body)
    vault.call("POST", "transit/keys/orders", {})
    return vault


def test_reads_from_the_engines(
    mounted: DevelopmentVault, integration: MakeIntegration, request_of: MakeRequest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vault_context")
    with integration().open(request_of(policies=["engines"]).event) as token:
        found = engines.secrets_for(token, b"two chairs")
    assert (found["table"], found["supplier_key"]) == ("orders_2026", "of the supplier")
    assert found["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert found["private_key"].startswith("-----BEGIN EC PRIVATE KEY-----")
    decrypted = mounted.call("POST", "transit/decrypt/orders", {"ciphertext": found["ciphertext"]})["data"]["plaintext"]
    assert base64.b64decode(decrypted) == b"two chairs"
    # Also not for the certificate, which is why it outlives the token.
    assert "Vault gave a lease" not in caplog.text


def test_makes_a_database_user(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    answer = {"data": {"username": "v-orders", "password": "x"}, "lease_id": "database/creds/orders-reader/1", "lease_duration": 60}
    node.always["database/creds/orders-reader"] = json_reply(200, answer)
    with integration().open(request_of().event) as token:
        user = engines.database_user(token)
    assert (user.username, user.password, user.lease_seconds) == ("v-orders", "x", 60)


@pytest.mark.usefixtures("mounted")
def test_each_engine_needs_its_own_path_in_the_policy(integration: MakeIntegration, request_of: MakeRequest) -> None:
    with integration().open(request_of(policies=["orders-read"]).event) as token, pytest.raises(VaultContextError) as caught:
        engines.secrets_for(token, b"two chairs")
    assert caught.value.code == "vault_forbidden"
