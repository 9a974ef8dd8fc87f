"""An `hvac.Client` for an unwrapped token, kept from what hvac and requests take from the environment."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import hvac
import requests
from requests.adapters import HTTPAdapter

from .hidden import Hidden
from .transport import Vault

if TYPE_CHECKING:
    from requests import PreparedRequest


def client(vault: Vault, token: Hidden) -> hvac.Client:
    """Make a client with a session of its own: no proxy, no `.netrc`, no redirect, and the integration's CA."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _Tls(vault.tls))
    return hvac.Client(
        url=str(vault.address),
        token=token.expose(),
        namespace=vault.namespace,
        # Not None, which would take VAULT_CLIENT_CERT and VAULT_CACERT.
        cert=(),
        verify=True,
        timeout=(vault.connect_timeout, vault.timeout),
        allow_redirects=False,
        session=session,
    )


class _Tls(HTTPAdapter):
    """Verifies as the integration does. By itself requests would add the roots of certifi to the configured CA."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)

    def build_connection_pool_key_attributes(self, request: PreparedRequest, *_: Any, **__: Any) -> tuple[Any, Any]:
        host, _tls = super().build_connection_pool_key_attributes(request, True)
        return host, {}

    def cert_verify(self, *_: object) -> None:
        """Leave the verification to the context."""
