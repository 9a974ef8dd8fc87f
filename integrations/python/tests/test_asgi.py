import asyncio
import time
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
from starlette.types import ASGIApp, Receive, Scope, Send

from conftest import PASSWORD, MakeIntegration, MakeRequest
from node import Node, Received, Reply, passed_on, says
from test_lag import READ, REVOKE
from test_refusals import LOOKUP, UNWRAP
from vault_context import AsyncToken, Integration, VaultContextError
from vault_context.asgi import VaultTokenMiddleware, error_response, request_token, vault_token
from vault_context.testing import WrappedRequest


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


def calls_behind_the_middleware(node: Node, integration: Integration, request: WrappedRequest, app: ASGIApp) -> list[str]:
    async def run() -> list[str]:
        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
        await VaultTokenMiddleware(app, integration)({"type": "http", "headers": headers}, nothing, nothing)
        # Tasks of the request that outlive it.
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
        return node.paths()

    async def nothing(*_: object) -> Any:
        """Neither send nor receive."""

    return asyncio.run(run())


def test_a_token_that_is_asked_for_after_the_request_is_not_opened(
    integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    requests: list[Request] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        requests.append(Request(scope))

    assert calls_behind_the_middleware(node, integration(), request_of(), app) == []
    with pytest.raises(ValueError, match="after the request"):
        asyncio.run(request_token(requests[0]))
    assert node.received == []


def test_a_token_that_is_still_being_opened_when_the_request_ends_is_revoked(
    integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    kept: list[Request] = []
    loops: list[asyncio.AbstractEventLoop] = []
    asked = asyncio.Event()

    def slowly(node: Node, received: Received) -> Reply:
        loops[0].call_soon_threadsafe(asked.set)
        time.sleep(0.2)
        return passed_on(node, received)

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        loops.append(asyncio.get_running_loop())
        kept.append(Request(scope))
        opening = asyncio.ensure_future(request_token(kept[0]))
        await asked.wait()
        assert not opening.done()

    node.always[LOOKUP] = slowly
    assert calls_behind_the_middleware(node, integration(), request_of(), app) == [LOOKUP, UNWRAP, REVOKE]
