"""A real wrapped token for your tests, from a development Vault on your machine.

```python
pytest_plugins = ["vault_context.testing"]  # conftest.py

def test_handler(development_vault):
    request = development_vault.wrapped_request("auth/token/create/orders-prod-reader", policies=["orders-prod-read"])
    assert handler(request.event, None)["statusCode"] == 200
```

Start the Vault with `bao server -dev`, write the policy and the secrets that the handler reads, and set `VAULT_ADDR` and
`VAULT_TOKEN`, which nothing else of this package reads.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3

from .address import Address
from .context import FIELDS

_ROLE_PREFIX = "auth/token/create/"


@dataclass(frozen=True)
class WrappedRequest:
    """A request as the authorizer lets it through. Each holds a token of its own, which works once."""

    context: dict[str, str] = field(repr=False)

    @property
    def event(self) -> dict[str, Any]:
        """The event of a REST API, a WebSocket API, or an HTTP API with payload 1.0."""
        return {"requestContext": {"authorizer": dict(self.context)}}

    @property
    def event_v2(self) -> dict[str, Any]:
        """The event of an HTTP API with payload 2.0."""
        return {"version": "2.0", "requestContext": {"authorizer": {"lambda": dict(self.context)}}}

    @property
    def headers(self) -> dict[str, str]:
        """The headers that a container gets."""
        return {FIELDS[key]: value for key, value in self.context.items()}


class DevelopmentVault:
    """A Vault on this machine that may be written to."""

    def __init__(self, address: str, token: str) -> None:
        # Roles are overwritten without asking, so another machine's Vault is out of bounds.
        if Address.parse(address).scheme != "http":
            raise ValueError("VAULT_ADDR must be http:// and a loopback host: the fixture writes token roles")
        self.address = address
        self._token = token
        self._http = urllib3.PoolManager(retries=False)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, wrap_ttl: str | None = None) -> dict[str, Any]:
        """Send a call with the developer's token. Fails the test where Vault refuses it."""
        headers = {"X-Vault-Token": self._token, "X-Vault-Request": "true"}
        if wrap_ttl is not None:
            headers["X-Vault-Wrap-TTL"] = wrap_ttl
        payload = None if body is None else json.dumps(body)
        response = self._http.request(method, f"{self.address}/v1/{path}", body=payload, headers=headers)
        if response.status >= 400:
            pytest.fail(f"the development Vault refused {method} {path}: {response.status} {response.data.decode()}")
        answer: dict[str, Any] = json.loads(response.data) if response.data else {}
        return answer

    def wrapped_request(
        self,
        creation_path: str,
        *,
        policies: Sequence[str],
        ttl: str = "120s",
        wrap_ttl: str = "60s",
        num_uses: int = 0,
        entity_alias: str | None = None,
        grant: str = "orders-reader",
        caller_id: str = "corp:alice",
    ) -> WrappedRequest:
        """Make the token role of a creation path, and a wrapped token of that role."""
        if not creation_path.startswith(_ROLE_PREFIX):
            raise ValueError(f"creation_path: expected {_ROLE_PREFIX}<role>")
        role = creation_path.removeprefix(_ROLE_PREFIX)
        aliases = [] if entity_alias is None else [entity_alias]
        allowed = {"allowed_policies": list(policies), "allowed_entity_aliases": aliases, "token_type": "service"}
        self.call("POST", f"auth/token/roles/{role}", allowed)
        body = {"policies": list(policies), "ttl": ttl, "num_uses": num_uses}
        if entity_alias is not None:
            body["entity_alias"] = entity_alias
        wrap_info = self.call("POST", creation_path, body, wrap_ttl)["wrap_info"]
        return WrappedRequest(
            {
                "vaultWrappingToken": wrap_info["token"],
                "vaultWrappedAccessor": wrap_info["wrapped_accessor"],
                "vaultCreationPath": wrap_info["creation_path"],
                "vaultAddress": self.address,
                "vaultWrapExpiresAt": str(int(time.time()) + wrap_info["ttl"]),
                "vaultGrant": grant,
                "callerKind": "jwt",
                "callerIssuer": caller_id.partition(":")[0],
                "callerId": caller_id,
                "callerBinding": "none",
                "contextVersion": "1",
            }
        )


@pytest.fixture
def development_vault() -> DevelopmentVault:
    """The Vault at `VAULT_ADDR`, with the token in `VAULT_TOKEN`."""
    address, token = os.environ.get("VAULT_ADDR"), os.environ.get("VAULT_TOKEN")
    if not address or not token:
        pytest.fail("set VAULT_ADDR and VAULT_TOKEN to those of a development Vault: bao server -dev -dev-root-token-id=root")
    return DevelopmentVault(address, token)
