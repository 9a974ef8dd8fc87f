"""The same token for code that must not block its event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .token import Credentials, Secret, Token, TokenFacts

if TYPE_CHECKING:
    import hvac

_T = TypeVar("_T")


class AsyncToken(TokenFacts):
    """A `Token` whose calls are awaited. Each runs in a thread."""

    def __init__(self, token: Token) -> None:
        super().__init__(
            grant=token.grant,
            caller=token.caller,
            creation_path=token.creation_path,
            accessor=token.accessor,
            policies=token.policies,
            lease_seconds=token.lease_seconds,
        )
        self._token = token

    async def read(self, path: str) -> Secret:
        """Read a path. For KV version 2 there is `kv`."""
        return await _in_thread(lambda: self._token.read(path))

    async def write(self, path: str, data: dict[str, Any]) -> Secret:
        """Write to a path, such as `pki/issue/<role>`. An answer without data leaves `data` empty."""
        return await _in_thread(lambda: self._token.write(path, data))

    def kv(self, mount: str) -> AsyncKV:
        """Return the KV secrets engine, version 2, at a mount."""
        return AsyncKV(self._token, mount)

    def database(self, mount: str) -> AsyncDatabase:
        """Return the database secrets engine at a mount."""
        return AsyncDatabase(self._token, mount)

    @property
    def hvac(self) -> hvac.Client:
        """A new `hvac.Client` with this token. It blocks, so call it in a thread."""
        return self._token.hvac


class AsyncKV:
    """A KV secrets engine, version 2."""

    def __init__(self, token: Token, mount: str) -> None:
        self._kv = token.kv(mount)

    async def get(self, path: str) -> dict[str, Any]:
        """Return the fields of a secret's current version."""
        return await _in_thread(lambda: self._kv.get(path))


class AsyncDatabase:
    """A database secrets engine."""

    def __init__(self, token: Token, mount: str) -> None:
        self._database = token.database(mount)

    async def credentials(self, role: str) -> Credentials:
        """Make a user of the database. It is removed when the token is revoked."""
        return await _in_thread(lambda: self._database.credentials(role))


async def opened(open_token: Callable[[], Token]) -> AsyncToken:
    """Open a token in a thread. Where the caller is cancelled meanwhile, the token is revoked once it is there."""
    import asyncio

    opening = asyncio.ensure_future(asyncio.to_thread(open_token))
    try:
        return AsyncToken(await asyncio.shield(opening))
    except asyncio.CancelledError:
        opening.add_done_callback(_give_back_unused)
        raise


async def give_back(token: AsyncToken) -> None:
    """Revoke a token in a thread, also where the caller is cancelled meanwhile."""
    import asyncio

    await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(token._token.give_back)))


def _give_back_unused(opening: Any) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.get_loop().run_in_executor(None, opening.result().give_back)


async def _in_thread(call: Callable[[], _T]) -> _T:
    # Not imported at the top, because most integrations never need it.
    import asyncio

    return await asyncio.to_thread(call)
