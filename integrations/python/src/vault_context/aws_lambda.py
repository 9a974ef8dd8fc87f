"""A decorator for Lambda handlers behind API Gateway.

```python
@with_token(integration)
def handler(event, context, token):
    fields = token.kv("secret").get("prod/orders")
```
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .errors import VaultContextError, answered
from .integration import Integration
from .token import Token

_current: ContextVar[Token] = ContextVar("vault_context_token")

Handler = Callable[..., Any]


def with_token(integration: Integration) -> Callable[[Handler], Callable[[Any, Any], Any]]:
    """Open the event's token for the handler, revoke it afterwards, and answer this package's errors.

    A handler gets the token as `token` if it has such a parameter. `current_token` returns it in any case, such as below
    decorators that pass on the event and the context alone.
    """

    def decorate(handler: Handler) -> Callable[[Any, Any], Any]:
        takes_token = "token" in inspect.signature(handler).parameters

        @functools.wraps(handler)
        def opened(event: Any, context: Any) -> Any:
            try:
                # Powertools' data classes hold the event as it came.
                with integration.open(getattr(event, "raw_event", event)) as token:
                    return _call(handler, event, context, token, takes_token)
            except VaultContextError as error:
                answer = error_response(error)
            return answer

        return opened

    return decorate


def current_token() -> Token:
    """Return the token of the handler that is running."""
    return _current.get()


def error_response(error: VaultContextError) -> dict[str, Any]:
    """Log an error, and return the proxy response that answers it. The response tells the caller nothing but the code."""
    status, headers, body = answered(error)
    return {"statusCode": status, "headers": {**headers, "content-type": "application/json"}, "body": json.dumps(body)}


def _call(handler: Handler, event: Any, context: Any, token: Token, takes_token: bool) -> Any:
    reset = _current.set(token)
    try:
        return handler(event, context, token=token) if takes_token else handler(event, context)
    finally:
        _current.reset(reset)
