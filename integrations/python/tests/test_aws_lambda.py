from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent, APIGatewayProxyEventV2, event_source

from conftest import PASSWORD, MakeIntegration, MakeRequest
from node import Node, says
from test_lag import READ, REVOKE
from test_refusals import LOOKUP
from test_scope import accessors
from vault_context import Token
from vault_context.aws_lambda import current_token, with_token
from vault_context.testing import DevelopmentVault


def test_a_handler_gets_the_token(integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault) -> None:
    opened: list[Token] = []

    @with_token(integration())
    def handler(event: dict[str, Any], context: object, token: Token) -> dict[str, Any]:
        opened.append(token)
        assert token.accessor in accessors(vault)
        assert (event["requestContext"], context) == (request.event["requestContext"], "context")
        return {"statusCode": 200, "body": token.kv("secret").get("prod/orders")["password"]}

    request = request_of()
    assert handler(request.event, "context") == {"statusCode": 200, "body": PASSWORD}
    assert opened[0].accessor not in accessors(vault)
    assert handler.__name__ == "handler"


def test_works_below_event_source(integration: MakeIntegration, request_of: MakeRequest) -> None:
    made = integration()

    @event_source(data_class=APIGatewayProxyEventV2)
    @with_token(made)
    def handler(event: APIGatewayProxyEventV2, _context: object, token: Token) -> str:
        assert isinstance(event, APIGatewayProxyEventV2)
        return token.caller.id

    assert handler(request_of().event_v2, None) == "corp:alice"  # type: ignore[arg-type]


def test_works_above_event_source(integration: MakeIntegration, request_of: MakeRequest) -> None:
    @with_token(integration())
    @event_source(data_class=APIGatewayProxyEvent)
    def handler(event: APIGatewayProxyEvent, _context: object) -> str:
        assert isinstance(event, APIGatewayProxyEvent)
        return current_token().caller.id

    assert handler(request_of().event, None) == "corp:alice"
    with pytest.raises(LookupError):
        current_token()


@pytest.mark.parametrize(
    ("changes", "code", "status", "retry"),
    [
        ({"vaultWrapExpiresAt": "1700000000"}, "wrapping_token_expired", 403, {}),
        ({"vaultNamespace": "other"}, "namespace_mismatch", 403, {}),
        ({}, "vault_sealed", 503, {"retry-after": "1"}),
    ],
)
def test_an_error_is_answered_and_logged(
    changes: dict[str, str | None],
    code: str,
    status: int,
    retry: dict[str, str],
    integration: MakeIntegration,
    request_of: MakeRequest,
    node: Node,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @with_token(integration())
    def handler(_event: object, _context: object, token: Token) -> None:
        pytest.fail(f"the handler ran with {token}")

    node.always[LOOKUP] = says(503, "Vault is sealed")
    answer = handler(request_of(changes).event, None)
    headers = {"content-type": "application/json", "cache-control": "no-store", **retry}
    assert answer == {"statusCode": status, "headers": headers, "body": json.dumps({"error": code})}
    assert [record.levelno for record in caplog.records] == [logging.WARNING if status == 503 else logging.ERROR]
    assert caplog.messages[0].startswith(f"{code}: ")


def test_an_error_in_the_handler_is_answered_too_and_another_exception_is_not(
    integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    made = integration()

    @with_token(made)
    def forbidden(_event: object, _context: object, token: Token) -> None:
        token.read("sys/policies/acl/orders-read")

    @with_token(made)
    def failing(_event: object, _context: object, token: Token) -> None:
        token.read(READ)
        raise KeyError("of the handler")

    answer = forbidden(request_of().event, None)
    assert (answer["statusCode"], answer["body"]) == (500, '{"error": "vault_forbidden"}')
    with pytest.raises(KeyError, match="of the handler"):
        failing(request_of().event, None)
    assert len(node.calls(REVOKE)) == 2
