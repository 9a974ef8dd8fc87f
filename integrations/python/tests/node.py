"""A node of Vault as tests need it: it answers as told, and passes everything else on to a real OpenBao."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3


@dataclass(frozen=True)
class Received:
    """A request that the node got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """The client's port, which differs for each connection."""


@dataclass(frozen=True)
class Reply:
    """An answer to send."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


# None closes the connection without an answer.
Action = Callable[["Node", Received], Reply | None]

UNKNOWN_WRAPPING_TOKEN = "wrapping token is not valid or does not exist"


def says(status: int, *errors: str, **headers: str) -> Action:
    """Refuse as Vault does."""
    return json_reply(status, {"errors": list(errors)}, **headers)


def json_reply(status: int, value: object, **headers: str) -> Action:
    """Answer with JSON."""
    return raw(status, json.dumps(value).encode(), **headers)


def raw(status: int, body: bytes = b"", **headers: str) -> Action:
    """Answer with bytes."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda _node, _received: Reply(status, body, named)


def passed_on(node: Node, received: Received) -> Reply:
    """Let OpenBao answer."""
    headers = {name: value for name, value in received.headers.items() if name not in ("host", "connection")}
    response = node.http.request(received.method, node.upstream + received.path, body=received.body, headers=headers)
    return Reply(response.status, response.data)


def broken(_node: Node, _received: Received) -> None:
    """Break the connection before anything is done."""


def lost(node: Node, received: Received) -> None:
    """Let OpenBao answer, and lose the answer."""
    passed_on(node, received)


def hung(node: Node, _received: Received) -> None:
    """Say nothing until the test is over."""
    node.stopped.wait(60)


def not_known(_node: Node, _received: Received) -> Reply:
    """Say that there is no such wrapping token, as a node that lags behind does."""
    return Reply(400, json.dumps({"errors": [UNKNOWN_WRAPPING_TOKEN]}).encode())


class Node:
    """The server. `script[path]` are the actions for that path, used up in order; the last of `always[path]` stays."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.http = urllib3.PoolManager(retries=False)
        self.received: list[Received] = []
        self.script: dict[str, list[Action]] = {}
        self.always: dict[str, Action] = {}
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving."""
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.http.clear()

    def refuse_connections(self) -> None:
        """Accept no further connection. Those that are open stay."""
        self._server.socket.close()

    def calls(self, path: str) -> list[Received]:
        """Return what was received at a path, without `/v1/`."""
        return [received for received in self.received if received.path == f"/v1/{path}"]

    def paths(self) -> list[str]:
        """Return the path of each call, without `/v1/`."""
        return [received.path.removeprefix("/v1/") for received in self.received]

    def reply(self, received: Received) -> Reply | None:
        """Do what the script says."""
        path = received.path.removeprefix("/v1/")
        with self._lock:
            self.received.append(received)
            scripted = self.script.get(path)
            action = scripted.pop(0) if scripted else self.always.get(path, passed_on)
        return action(self, received)


def _handler(node: Node) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = node.reply(Received(self.command, self.path, headers, body, self.client_address[1]))
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    return Handler
