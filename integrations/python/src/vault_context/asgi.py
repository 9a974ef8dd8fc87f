"""The token of a request, for FastAPI and for Starlette.

Register `error_response` for `VaultContextError` in both. In FastAPI, a route asks for the token:

```python
app = FastAPI(exception_handlers={VaultContextError: error_response})
OrdersToken = Annotated[AsyncToken, Depends(vault_token(integration))]

@app.get("/orders")
async def orders(token: OrdersToken): ...
```

In Starlette, `VaultTokenMiddleware` opens it when an endpoint first calls `await request_token(request)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .async_token import AsyncToken
from .errors import VaultContextError, answered
from .integration import Integration

_STATE = "vault_context_token"


def vault_token(integration: Integration) -> Callable[[HTTPConnection], AsyncIterator[AsyncToken]]:
    """Return a FastAPI dependency that opens the request's token, and revokes it at the end of the request."""

    async def dependency(connection: HTTPConnection) -> AsyncIterator[AsyncToken]:
        async with _opening(integration, connection.scope) as token:
            yield token

    return dependency


class VaultTokenMiddleware:
    """Revokes the token of a request at its end, where `request_token` opened it."""

    def __init__(self, app: ASGIApp, integration: Integration) -> None:
        self._app = app
        self._integration = integration

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        token = _OpenedOnce(lambda: _opening(self._integration, scope))
        scope.setdefault("state", {})[_STATE] = token
        try:
            await self._app(scope, receive, send)
        finally:
            await asyncio.shield(token.end())


async def request_token(request: HTTPConnection) -> AsyncToken:
    """Return the request's token, opened with the first call."""
    opened_once: _OpenedOnce = getattr(request.state, _STATE)
    return await opened_once.token()


async def error_response(_request: object, error: Exception) -> JSONResponse:
    """Answer a `VaultContextError`. The response tells the caller nothing but the code."""
    if not isinstance(error, VaultContextError):
        raise TypeError("error_response answers VaultContextError alone: register it for that class") from error
    status, headers, body = answered(error)
    return JSONResponse(body, status, headers)


class _OpenedOnce:
    def __init__(self, opening: Callable[[], AbstractAsyncContextManager[AsyncToken]]) -> None:
        self._opening = opening
        self._at_end = AsyncExitStack()
        self._lock = asyncio.Lock()
        self._token: AsyncToken | None = None
        self._has_ended = False

    async def token(self) -> AsyncToken:
        async with self._lock:
            if self._has_ended:
                raise ValueError("the Vault token was asked for after the request: a task outlived it, so ask in the endpoint")
            if self._token is None:
                self._token = await self._at_end.enter_async_context(self._opening())
            return self._token

    async def end(self) -> None:
        # Where a task is opening the token, this waits for it: nobody else would revoke it.
        async with self._lock:
            self._has_ended = True
            await self._at_end.aclose()


def _opening(integration: Integration, scope: Scope) -> AbstractAsyncContextManager[AsyncToken]:
    # Behind Mangum the request came as an event, which the client cannot have written. Elsewhere it came through a proxy.
    event = scope.get("aws.event")
    return integration.aopen_headers(scope["headers"]) if event is None else integration.aopen(event)
