"""Runs this package for the conformance suite: a request per line on standard input, an answer per line on standard output.

The suite and its Vault are the repository's `integrations/conformance`; every language has a runner like this one.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from vault_context import Integration, Token, VaultContextError

_OPTIONS = {
    "address": "address",
    "creation_paths": "creation_paths",
    "namespace": "namespace",
    "ca_file": "ca_file",
    "max_lease_seconds": "max_lease",
    "timeout_ms": "timeout",
    "allow_identity_policies": "allow_identity_policies",
}


def main() -> None:
    """Answer every line until the end of input."""
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        integration = Integration(**_options(request["integration"]))
    except (TypeError, ValueError) as error:
        return {"error": "Configuration", "message": str(error)}
    try:
        return _opened(integration, request)
    except VaultContextError as error:
        return {
            "error": type(error).__name__,
            "code": error.code,
            "status": error.status,
            "outage": error.is_outage,
            "message": str(error),
        }


def _options(given: dict[str, Any]) -> dict[str, Any]:
    options = {_OPTIONS[name]: value for name, value in given.items() if value is not None}
    if isinstance(options.get("timeout"), int | float):
        options["timeout"] /= 1000
    return options


def _opened(integration: Integration, request: dict[str, Any]) -> dict[str, Any]:
    headers = request.get("headers")
    scope = integration.open(request["event"]) if headers is None else integration.open_headers(headers)
    with scope as token:
        values = [_used(token, use) for use in request.get("use") or []]
        caller = token.caller
        facts = {
            "grant": token.grant,
            "accessor": token.accessor,
            "creation_path": token.creation_path,
            "caller": {"kind": caller.kind, "issuer": caller.issuer, "id": caller.id, "binding": caller.binding},
        }
    return {"token": facts, "values": values}


def _used(token: Token, use: dict[str, Any]) -> dict[str, Any]:
    (kind, given), *_ = use.items()
    if kind == "read":
        return token.read(given).data
    if kind == "write":
        return token.write(*given).data
    mount, name = given
    if kind == "kv":
        return token.kv(mount).get(name)
    credentials = token.database(mount).credentials(name)
    return {"username": credentials.username, "password": credentials.password}


if __name__ == "__main__":
    main()
