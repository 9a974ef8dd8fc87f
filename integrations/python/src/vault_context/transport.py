"""One call to Vault: its headers, its path, its time limit, and the connections it travels on.

Reads no environment variable, follows no redirect and repeats nothing: the callers decide which calls may be sent again.
OpenSSL alone finds the system's roots by SSL_CERT_FILE and SSL_CERT_DIR.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
import unicodedata
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from .address import Address
from .answer import Answer, Failure, accepted, answer_invalid, refused
from .hidden import Hidden
from .version import __version__

_USER_AGENT = f"vault-context-python/{__version__}"
_CONNECT_SECONDS = 1.0
_MAX_ANSWER_BYTES = 1024 * 1024
_MAX_IDLE_CONNECTIONS = 10
# Load balancers forget idle connections, and a frozen function does not hear about it.
_MAX_IDLE_SECONDS = 60
_TRANSPORT_ERRORS = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Trust the system's roots, where OpenSSL finds them, or the given CA alone."""
    # `ssl.create_default_context` would write the sessions' keys to a file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca_file)
    return context


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    url: str
    token: Hidden | None
    payload: bytes | None = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class _Response:
    status: int
    has_retry_after: bool
    body: bytes | None = field(repr=False)
    """None if it was not read to its end."""


class Vault:
    """One Vault at one address, for any number of threads."""

    def __init__(self, address: Address, namespace: str | None, tls: ssl.SSLContext, timeout: float) -> None:
        self.address = address
        self.namespace = namespace
        self.tls = tls
        self.timeout = timeout
        self.connect_timeout = min(_CONNECT_SECONDS, timeout)
        self._connections = _Connections(self._new_connection)

    def send(self, method: str, path: str, *, token: Hidden | None = None, body: object = None) -> Answer | Failure:
        """Send one call, once. Where another node might have answered differently, later calls open a new connection."""
        request = self._request(method, path, token, body)
        if isinstance(request, Failure):
            return request
        generation, connection = self._connections.take()
        try:
            response = self._exchange(connection, request)
            outcome = response if isinstance(response, Failure) else _outcome(request, response)
            if isinstance(outcome, Failure) and outcome.may_be_one_nodes_own:
                self._connections.forget(generation)
        finally:
            self._connections.give_back(generation, connection)
        return outcome

    def _request(self, method: str, path: str, token: Hidden | None, body: object) -> _Request | Failure:
        segments = path.split("/") if isinstance(path, str) else [""]
        if not all(map(_is_segment, segments)):
            return _not_sent(path, "it is not a path of plain segments")
        url = "/".join([self.address.path, "v1", *(quote(segment, safe="") for segment in segments)])
        sent = [token, *(body.values() if isinstance(body, dict) else ())]
        try:
            payload = None if body is None else json.dumps(body, allow_nan=False, default=_exposed).encode()
        except (TypeError, ValueError, RecursionError):
            return _not_sent(path, "its body has no JSON form")
        return _Request(method, path, url, token, payload, tuple(value.expose() for value in sent if isinstance(value, Hidden)))

    def _exchange(self, connection: HTTPConnection, request: _Request) -> _Response | Failure:
        began, deadline = time.monotonic(), None
        try:
            if connection.sock is None:
                connection.connect()
            connection.timeout = self.timeout
            with _Deadline(connection, began + self.timeout) as deadline:
                connection.request(
                    request.method,
                    request.url,
                    request.payload,
                    self._headers(request),
                    preload_content=False,
                    decode_content=False,
                )
                return _received(connection)
        except _TRANSPORT_ERRORS as error:
            connection.close()
            return _broken(request.path, error, sent=deadline is not None, late=deadline is not None and deadline.passed)
        except BaseException:
            connection.close()
            raise

    def _headers(self, request: _Request) -> dict[str, str]:
        headers = {"User-Agent": _USER_AGENT, "X-Vault-Request": "true"}
        if self.namespace is not None:
            headers["X-Vault-Namespace"] = self.namespace
        if request.payload is not None:
            headers["Content-Type"] = "application/json"
        if request.token is not None:
            headers["X-Vault-Token"] = request.token.expose()
        return headers

    def _new_connection(self) -> HTTPConnection:
        host, port, timeout = self.address.host, self.address.port, self.connect_timeout
        if self.address.scheme == "http":
            return HTTPConnection(host, port, timeout=timeout)
        return HTTPSConnection(host, port, timeout=timeout, ssl_context=self.tls)


class _Deadline:
    """Ends a call in time even if the peer sends a byte now and then, which resets the socket's own time-out."""

    def __init__(self, connection: HTTPConnection, ends_at: float) -> None:
        self.passed = False
        # `Connection: close` makes http.client forget the socket while the body is still on it.
        self._socket = connection.sock
        self._timer = threading.Timer(max(0.0, ends_at - time.monotonic()), self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.passed = True
        with suppress(OSError, AttributeError, TypeError):
            # Not `SSLSocket.shutdown`, which would take the TLS session away from the thread that reads from it.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Connections:
    """Idle connections. After a failure that may be one node's own, none from before is used again."""

    def __init__(self, connect: Callable[[], HTTPConnection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._generation = 0
        self._idle: list[tuple[float, HTTPConnection]] = []
        weakref.finalize(self, _close, self._idle)

    def take(self) -> tuple[int, HTTPConnection]:
        """Return a connection, and the generation that it belongs to."""
        with self._lock:
            while self._idle:
                since, connection = self._idle.pop()
                if 0 <= time.time() - since < _MAX_IDLE_SECONDS and connection.is_connected:
                    return self._generation, connection
                connection.close()
            return self._generation, self._connect()

    def give_back(self, generation: int, connection: HTTPConnection) -> None:
        """Keep an open connection for the next call."""
        with self._lock:
            if connection.sock is not None and generation == self._generation and len(self._idle) < _MAX_IDLE_CONNECTIONS:
                self._idle.append((time.time(), connection))
                return
        connection.close()

    def forget(self, generation: int) -> None:
        """Open new connections from now on, unless another call has already caused that."""
        with self._lock:
            if generation != self._generation:
                return
            self._generation += 1
            _close(self._idle)


def _close(idle: list[tuple[float, HTTPConnection]]) -> None:
    while idle:
        idle.pop()[1].close()


def _is_segment(segment: str) -> bool:
    letters_are_plain = not any(letter in "?#\\" or unicodedata.category(letter) in ("Cc", "Cs") for letter in segment)
    return segment not in ("", ".", "..") and letters_are_plain


def _exposed(value: object) -> str:
    if isinstance(value, Hidden):
        return value.expose()
    raise TypeError("no JSON form")


def _not_sent(path: object, reason: str) -> Failure:
    return Failure("vault_call_invalid", f"{path!r} cannot be called: {reason}", not_sent=True)


def _broken(path: str, error: Exception, *, sent: bool, late: bool) -> Failure:
    # A connection that took too long to open is unreachable, not timed out: nothing was sent on it.
    if sent and (late or isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError)):
        return Failure("vault_timed_out", f"Vault did not answer `{path}` in time")
    # The class alone: texts of TLS and HTTP errors can quote what a server sent.
    return Failure("vault_unreachable", f"Vault could not be reached for `{path}` ({type(error).__name__})", not_sent=not sent)


def _received(connection: HTTPConnection) -> _Response:
    """Read an answer. Closes the connection if anything is left unread, because it would be taken for the next answer."""
    response = connection.getresponse()
    has_retry_after = "retry-after" in response.headers
    try:
        body = None if 300 <= response.status < 400 else _capped(response)
    except _TRANSPORT_ERRORS:
        # The status of a refusal says enough when its text is not to be had.
        if response.status < 400:
            raise
        body = None
    if body is None:
        connection.close()
    return _Response(response.status, has_retry_after, body)


def _capped(response: urllib3.HTTPResponse) -> bytes | None:
    body = b""
    while part := response.read(_MAX_ANSWER_BYTES + 1 - len(body)):
        body += part
        if len(body) > _MAX_ANSWER_BYTES:
            return None
    return body


def _outcome(request: _Request, response: _Response) -> Answer | Failure:
    status, body, path = response.status, response.body, request.path
    if status >= 400:
        return refused(
            path,
            status,
            sent_token=request.token is not None,
            retry_after=response.has_retry_after,
            body=body or b"",
            secrets=request.secrets,
        )
    if status == 307:
        reason = "a standby that cannot forward the call names another node; redirects are not followed"
        return Failure("vault_unavailable", f"Vault cannot answer `{path}` now (status 307): {reason}")
    if not 200 <= status < 300:
        return answer_invalid(path, f"status {status} is not one that Vault answers with; redirects are not followed")
    if body is None:
        return Failure("vault_answer_too_large", f"the answer to `{path}` is longer than {_MAX_ANSWER_BYTES} bytes")
    return Answer() if status == 204 else accepted(path, body)
