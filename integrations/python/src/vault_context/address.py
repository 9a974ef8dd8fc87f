"""Where Vault is, and where tokens are made: parsed once from configuration, and compared exactly."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from .hidden import is_visible_ascii

_HOST = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class Address:
    """Vault's address, in the form in which two addresses are compared."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: object) -> Address:
        """Parse https, or http to a loopback host. A refusal never quotes the text, which could hold a password."""
        if not isinstance(text, str) or not is_visible_ascii(text):
            raise ValueError("it must be visible ASCII (an internationalised host in its `xn--` form)")
        if any(letter in text for letter in "?#@\\"):
            raise ValueError("it must not contain a user name, a password, a query or a fragment")
        scheme, host, port, path = _split(text)
        if scheme != "https" and not (scheme == "http" and _is_loopback(host)):
            raise ValueError("it must start with https:// (http:// is for a loopback host)")
        return cls(scheme, host, port or (443 if scheme == "https" else 80), path)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def same_address(address: Address, text: str) -> bool:
    """Tell whether a text of the context names the configured Vault."""
    try:
        return Address.parse(text) == address
    except ValueError:
        return False


def _split(text: str) -> tuple[str, str, int | None, str]:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        is_host = isinstance(ipaddress.ip_address(host), ipaddress.IPv6Address) if ":" in host else _HOST.fullmatch(host)
    except ValueError:
        is_host = None
    if not is_host or "%" in host or port == 0 or not _is_plain_path(parts.path):
        raise ValueError("it is not an absolute URL with a host")
    return parts.scheme, host, port, parts.path.rstrip("/")


def _is_plain_path(path: str) -> bool:
    return not any(segment in (".", "..") for segment in path.split("/"))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in ipaddress.ip_network("127.0.0.0/8") or address == ipaddress.ip_address("::1")


def is_creation_path(path: object) -> bool:
    """Tell whether a path is below `auth/`. Anyone can put anything at others, such as `sys/wrapping/wrap`."""
    if not isinstance(path, str) or not is_visible_ascii(path) or any(letter in path for letter in "*?#{\\"):
        return False
    first, *segments = path.split("/")
    return first == "auth" and len(segments) >= 2 and not any(segment in ("", ".", "..") for segment in segments)
