from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import CREATION_PATH, PASSWORD, MakeRequest
from node import Node, json_reply

RUNNER = Path(__file__).parent / "conformance.py"


def answers(*requests: dict[str, Any]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    environment = {"PYTHONPATH": str(RUNNER.parent.parent / "src")}
    done = subprocess.run([sys.executable, RUNNER], input=lines, capture_output=True, text=True, check=True, env=environment)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_runner_answers_each_line(request_of: MakeRequest, node: Node) -> None:
    node.always["database/creds/reader"] = json_reply(
        200, {"lease_id": "x", "lease_duration": 60, "data": {"username": "u", "password": "p"}}
    )
    integration = {"address": node.address, "creation_paths": [CREATION_PATH], "namespace": None, "timeout_ms": 5000}
    first, second = request_of(), request_of()
    opened, again, misconfigured = answers(
        {
            "integration": integration,
            "event": first.event,
            "use": [
                {"kv": ["secret", "prod/orders"]},
                {"read": "secret/data/prod/orders"},
                {"write": ["kv1/a", {"b": "c"}]},
                {"database": ["database", "reader"]},
            ],
        },
        {"integration": integration, "headers": [*map(list, second.headers.items()), ["x_vault_context_grant", "x"]]},
        {"integration": {**integration, "address": "http://vault.example.com"}, "event": second.event},
    )
    caller = {"kind": "jwt", "issuer": "corp", "id": "corp:alice", "binding": "none"}
    accessor = first.context["vaultWrappedAccessor"]
    assert opened["token"] == {"grant": "orders-reader", "accessor": accessor, "creation_path": CREATION_PATH, "caller": caller}
    fields, read, written, credentials = opened["values"]
    assert (fields["password"], read["data"]["password"], written) == (PASSWORD, PASSWORD, {})
    assert credentials == {"username": "u", "password": "p"}
    assert (again["error"], again["code"], again["status"], again["outage"]) == ("ContextTampered", "context_invalid", 403, False)
    assert misconfigured["error"] == "Configuration"
    assert misconfigured["message"].startswith("address: ")


def test_the_fixture_reads_the_developers_vault(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, node: Node
) -> None:
    monkeypatch.setenv("VAULT_ADDR", node.upstream)
    monkeypatch.setenv("VAULT_TOKEN", "root")
    made = request.getfixturevalue("development_vault").wrapped_request(CREATION_PATH, policies=["orders-read"])
    assert made.context["vaultAddress"] == node.upstream
    assert "vaultWrappingToken" not in repr(made)
