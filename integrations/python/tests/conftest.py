from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import openbao
from node import Node
from vault_context import Integration
from vault_context.testing import DevelopmentVault, WrappedRequest, development_vault

__all__ = ["development_vault"]

CREATION_PATH = "auth/token/create/orders-prod-reader"
PASSWORD = "hunter2-of-the-orders"
POLICY = """
path "secret/data/prod/*" { capabilities = ["read", "create", "update"] }
path "kv1/*" { capabilities = ["read", "create", "update"] }
path "database/creds/reader" { capabilities = ["read"] }
"""

HOSTILE = {
    "VAULT_ADDR": "http://127.0.0.1:1",
    "VAULT_TOKEN": "hvs.hostile",
    "VAULT_NAMESPACE": "hostile",
    "VAULT_CACERT": "/nowhere",
    "VAULT_CLIENT_CERT": "/nowhere",
    "VAULT_SKIP_VERIFY": "not a boolean",
    "VAULT_MAX_RETRIES": "-3",
    "BAO_ADDR": "::::",
    "BAO_TOKEN": "hvs.hostile",
    "http_proxy": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
    "all_proxy": "socks5://127.0.0.1:1",
    "REQUESTS_CA_BUNDLE": "/nowhere",
    "CURL_CA_BUNDLE": "/nowhere",
}

MakeIntegration = Callable[..., Integration]
MakeRequest = Callable[..., WrappedRequest]


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevelopmentVault]:
    with openbao.serving(tmp_path_factory.mktemp("openbao")) as listen:
        vault = DevelopmentVault(f"http://{listen}", openbao.ROOT_TOKEN)
        vault.call("PUT", "sys/policies/acl/orders-read", {"policy": POLICY})
        vault.call("POST", "secret/data/prod/orders", {"data": {"password": PASSWORD, "user": "orders"}})
        vault.call("POST", "sys/mounts/kv1", {"type": "kv"})
        yield vault


@pytest.fixture
def node(vault: DevelopmentVault) -> Iterator[Node]:
    node = Node(vault.address)
    yield node
    node.stop()


@pytest.fixture
def integration(node: Node) -> MakeIntegration:
    """Make integrations whose Vault is the node."""

    def make(**options: Any) -> Integration:
        return Integration(**{"address": node.address, "creation_paths": [CREATION_PATH], **options})

    return make


@pytest.fixture
def request_of(vault: DevelopmentVault, node: Node) -> MakeRequest:
    """Make requests with a real wrapped token; keys of the context can be overwritten, or left out with None."""

    def make(changes: dict[str, str | None] | None = None, **options: Any) -> WrappedRequest:
        made = vault.wrapped_request(CREATION_PATH, **{"policies": ["orders-read"], **options})
        context = {**made.context, "vaultAddress": node.address, **(changes or {})}
        return WrappedRequest({key: value for key, value in context.items() if value is not None})

    return make


@pytest.fixture(scope="session")
def tls_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    with openbao.serving(folder, "-dev-tls", f"-dev-tls-cert-dir={folder}") as listen:
        yield f"https://{listen}", next(folder.glob("*ca*.pem"))


@pytest.fixture
def hostile_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Everything that Vault's and Python's clients take from the environment, set to do harm."""
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    (tmp_path / ".vault-token").write_text("hvs.hostile")
    (tmp_path / ".netrc").write_text("default login hostile password hostile\n")
    return tmp_path
