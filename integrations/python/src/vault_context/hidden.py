"""Tokens as values that cannot be printed, copied or pickled by accident."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex

MAX_TOKEN_BYTES = 2048


class NotCopied:
    """Refuses pickle and copy, because a copy of a token outlives the scope that revokes it."""

    __slots__ = ()

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds a Vault token, so it cannot be copied or pickled")


class Hidden(NotCopied):
    """A token. Error trackers print the local variables of a failed call, and this prints as stars."""

    __slots__ = ("_token",)

    def __init__(self, token: str) -> None:
        self._token = token

    def expose(self) -> str:
        """Return the token in clear. Every use of it is found by searching for this name."""
        return self._token

    def __repr__(self) -> str:
        return "Hidden(***)"


def as_token(value: object) -> Hidden | None:
    """Return a token that fits into a header, or None for anything else."""
    if isinstance(value, str) and 0 < len(value) <= MAX_TOKEN_BYTES and is_visible_ascii(value):
        return Hidden(value)
    return None


def is_visible_ascii(text: str) -> bool:
    """Tell whether a text could be a header value without spaces."""
    return all("!" <= letter <= "~" for letter in text)
