import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from conftest import PASSWORD, MakeIntegration, MakeRequest
from node import Node, says
from test_lag import READ, REVOKE
from test_refusals import LOOKUP
from vault_context import AsyncToken, VaultContextError
from vault_context.asgi import VaultTokenMiddleware, error_response, request_token, vault_token


@pytest.fixture
def fastapi(integration: MakeIntegration) -> Iterator[TestClient]:
    app = FastAPI(exception_handlers={VaultContextError: error_response})
    token_of_request = vault_token(integration())

    @app.get("/orders")
    async def orders(token: Annotated[AsyncToken, Depends(token_of_request)]) -> str:
        fields = await token.kv("secret").get("prod/orders")
        return str(fields["password"])

    @app.get("/broken")
    async def broken(token: Annotated[AsyncToken, Depends(token_of_request)]) -> None:
        raise KeyError(token.grant)

    @app.get("/status")
    async def status() -> str:
        return "up"

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def starlette(integration: MakeIntegration) -> Iterator[TestClient]:
    async def orders(request: Request) -> JSONResponse:
        first, second = await asyncio.gather(request_token(request), request_token(request))
        assert first is second
        return JSONResponse((await first.kv("secret").get("prod/orders"))["password"])

    async def broken(request: Request) -> JSONResponse:
        token = await request_token(request)
        raise KeyError(token.grant)

    async def status(_request: Request) -> JSONResponse:
        return JSONResponse("up")

    app = Starlette(
        routes=[Route("/orders", orders), Route("/broken", broken), Route("/status", status)],
        middleware=[Middleware(VaultTokenMiddleware, integration=integration())],
        exception_handlers={VaultContextError: error_response},
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(params=["fastapi", "starlette"])
def client(request: pytest.FixtureRequest) -> TestClient:
    client: TestClient = request.getfixturevalue(request.param)
    return client


def test_a_route_reads_and_the_token_is_revoked(client: TestClient, request_of: MakeRequest, node: Node) -> None:
    response = client.get("/orders", headers=request_of().headers)
    assert (response.status_code, response.json()) == (200, PASSWORD)
    assert [path for path in node.paths() if path in (READ, REVOKE)] == [READ, REVOKE]


def test_a_route_without_the_token_opens_none(client: TestClient, request_of: MakeRequest, node: Node) -> None:
    assert client.get("/status", headers=request_of().headers).json() == "up"
    assert node.received == []


def test_an_exception_revokes_the_token(client: TestClient, request_of: MakeRequest, node: Node) -> None:
    assert client.get("/broken", headers=request_of().headers).status_code == 500
    assert len(node.calls(REVOKE)) == 1


def test_errors_are_answered(client: TestClient, request_of: MakeRequest, node: Node) -> None:
    refused = client.get("/orders")
    assert (refused.status_code, refused.json()) == (403, {"error": "no_context"})
    assert refused.headers["cache-control"] == "no-store"
    twice = [*request_of().headers.items(), ("x-vault-context-grant", "admin")]
    assert client.get("/orders", headers=twice).json() == {"error": "context_invalid"}
    node.always[LOOKUP] = says(503, "Vault is sealed")
    outage = client.get("/orders", headers=request_of().headers)
    assert (outage.status_code, outage.json()) == (503, {"error": "vault_sealed"})
    assert outage.headers["retry-after"] == "1"
    node.always = {READ: says(503, "Vault is sealed")}
    assert client.get("/orders", headers=request_of().headers).status_code == 503


def test_behind_mangum_the_event_counts_and_the_headers_do_not(integration: MakeIntegration, request_of: MakeRequest) -> None:
    dependency = vault_token(integration())

    async def run() -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "headers": [(b"x-vault-context-grant", b"smuggled")],
            "aws.event": request_of().event,
        }
        opening = dependency(Request(scope))
        token = await anext(opening)
        assert token.grant == "orders-reader"
        with pytest.raises(StopAsyncIteration):
            await anext(opening)

    asyncio.run(run())


def test_only_errors_of_this_package_are_answered() -> None:
    with pytest.raises(TypeError, match="VaultContextError alone"):
        asyncio.run(error_response(None, KeyError()))
