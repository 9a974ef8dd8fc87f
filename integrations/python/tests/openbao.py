"""A development server of OpenBao, started for the tests."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT_TOKEN = "root"


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """Serve on a free port, and yield host and port."""
    binary = os.environ.get("OPENBAO")
    if not binary:
        pytest.fail("set OPENBAO to the path of the `bao` binary: these tests run against a real OpenBao")
    listen = f"127.0.0.1:{_free_port()}"
    command = [binary, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT_TOKEN}"]
    with (folder / "openbao.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"-dev-listen-address={listen}", *options],
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_listens(listen, process, folder / "openbao.log")
        yield listen
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_it_listens(listen: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends_at = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < ends_at:
        if "OpenBao server started!" in log.read_text(errors="replace"):
            return
        time.sleep(0.05)
    pytest.fail(f"OpenBao did not start at {listen}:\n{log.read_text(errors='replace')}")
