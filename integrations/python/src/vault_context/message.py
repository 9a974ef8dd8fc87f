"""Vault's error texts, made fit for a log. Removes too much rather than too little: Vault's audit log has the rest."""

from __future__ import annotations

import re

_MAX_LETTERS = 400
# Letters that tokens, JWTs, base64 of both alphabets, hex and URL-encoding are written with.
_WORD = re.compile(r"[A-Za-z0-9+/=_.%~-]+")
_TOKEN = re.compile(r"(hv[sbr]|[sbr])\.\S{16}|^eyJ")


def harmless(text: str, secrets: tuple[str, ...]) -> str:
    """Return the first line of a text, bounded, without the secrets that were sent and without words that look like tokens."""
    for secret in secrets:
        text = text.replace(secret, "…")
    # What follows a `<` is a document of AWS, which can quote a signed request.
    line = _WORD.sub(_redacted, _telling_line(text).split("<")[0])
    return "".join(letter for letter in line if letter.isprintable())[:_MAX_LETTERS].strip()


def _telling_line(text: str) -> str:
    """The first line; of Vault's list `1 error occurred:\\n\\t* permission denied`, the first item."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    return lines[1].removeprefix("* ") if lines[0].endswith("occurred:") and len(lines) > 1 else lines[0]


def _redacted(match: re.Match[str]) -> str:
    word = match.group()
    is_secret = any(_looks_secret(part) for part in word.split("/")) or (len(word) >= 40 and _is_mixed(word))
    return "…" if is_secret else word


def _looks_secret(word: str) -> bool:
    return (
        _TOKEN.search(word) is not None
        or (len(word) >= 24 and _is_mixed(word))
        or (len(word) >= 32 and re.search(r"\d", word) is not None)
        or len(word) >= 64
    )


def _is_mixed(word: str) -> bool:
    """Upper case, lower case and digits together: base64 more often than a name."""
    return all(re.search(kind, word) for kind in ("[A-Z]", "[a-z]", r"\d"))
