from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conftest import PASSWORD, MakeIntegration, MakeRequest
from node import Node, Received, Reply, json_reply, passed_on
from test_lag import READ, REVOKE
from test_refusals import UNWRAP
from test_scope import accessors
from vault_context import TokenSpent
from vault_context.testing import DevelopmentVault

SOURCES = Path(__file__).parent.parent / "src"


def test_opens_reads_and_revokes(
    integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault, node: Node
) -> None:
    node.always["database/creds/reader"] = json_reply(
        200, {"lease_id": "x", "lease_duration": 60, "data": {"username": "u", "password": "p"}}
    )

    async def run() -> None:
        made, request = integration(), request_of()
        async with made.aopen(request.event) as token:
            assert (await token.kv("secret").get("prod/orders"))["password"] == PASSWORD
            assert (await token.read(READ)).data["data"]["password"] == PASSWORD
            assert (await token.write("kv1/a", {"b": "c"})).data == {}
            assert (await token.database("database").credentials("reader")).username == "u"
            assert repr(token).startswith("AsyncToken(grant='orders-reader', accessor=")
            assert token.accessor in accessors(vault)
        assert token.accessor not in accessors(vault)
        async with made.aopen_headers(request_of().headers) as token:
            assert token.caller.id == "corp:alice"
        with pytest.raises(TokenSpent):
            async with made.aopen(request.event):
                pass

    asyncio.run(run())


def test_a_token_is_revoked_after_an_exception(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    async def run() -> None:
        async with integration().aopen(request_of().event):
            raise KeyError("of the handler")

    with pytest.raises(KeyError, match="of the handler"):
        asyncio.run(run())
    assert len(node.calls(REVOKE)) == 1


def test_a_token_whose_request_is_cancelled_meanwhile_is_revoked(
    integration: MakeIntegration, request_of: MakeRequest, node: Node, vault: DevelopmentVault
) -> None:
    unwrapping, goes_on, revoked = threading.Event(), threading.Event(), threading.Event()

    def slow(node: Node, received: Received) -> Reply:
        unwrapping.set()
        goes_on.wait(60)
        return passed_on(node, received)

    def revoking(node: Node, received: Received) -> Reply:
        reply = passed_on(node, received)
        revoked.set()
        return reply

    node.script = {UNWRAP: [slow], REVOKE: [revoking]}
    request = request_of()

    async def opened() -> None:
        async with integration(timeout=60).aopen(request.event):
            pytest.fail("the token was opened")

    async def run() -> None:
        task = asyncio.create_task(opened())
        await asyncio.to_thread(unwrapping.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        goes_on.set()
        assert await asyncio.to_thread(revoked.wait, 60)

    asyncio.run(run())
    assert request.context["vaultWrappedAccessor"] not in accessors(vault)


def test_the_event_loop_goes_on_meanwhile(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    goes_on = threading.Event()

    def slow(node: Node, received: Received) -> Reply:
        assert goes_on.wait(60)
        return passed_on(node, received)

    node.script[READ] = [slow]

    async def run() -> None:
        async with integration(timeout=60).aopen(request_of().event) as token:
            reading = asyncio.create_task(token.read(READ))
            await asyncio.sleep(0)
            goes_on.set()
            await reading

    asyncio.run(run())


def test_asyncio_is_not_imported_before_it_is_used() -> None:
    code = "import sys, vault_context; assert not {'asyncio', 'hvac', 'requests', 'pytest'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(SOURCES)})
