from __future__ import annotations

import time

import pytest

from conftest import PASSWORD, MakeIntegration, MakeRequest
from node import (
    UNKNOWN_WRAPPING_TOKEN,
    Action,
    Node,
    Received,
    Reply,
    broken,
    hung,
    not_known,
    passed_on,
    raw,
    says,
)
from test_refusals import LOOKUP, UNWRAP, refusal
from vault_context import Token, VaultContextError
from vault_context.lag import Life, Over, Patience

READ = "secret/data/prod/orders"
REVOKE = "auth/token/revoke-self"
LAGGING = {
    "unknown": not_known,
    "412": says(412, "required index state not present"),
    "429 with an empty list": says(429),
    "429 with an empty list and Retry-After": says(429, retry_after="1"),
    "429 without a body": raw(429),
}
LAGGING_WITH_A_TOKEN = {
    "400": not_known,
    "403 permission denied": says(403, "permission denied"),
    "403 invalid token": says(403, "1 error occurred:\n\t* invalid token\n\n"),
    "412": says(412),
    "429": says(429),
}
UNAVAILABLE = {
    "500": says(500, "internal error"),
    "502": raw(502, b"<html>Bad Gateway</html>"),
    "503": says(503, "Vault is in standby mode"),
    "307": raw(307, location="http://127.0.0.1:1/"),
    "404 of a proxy": raw(404, b"no backend"),
    "472": says(472),
    "473": says(473),
    "474": says(474),
    "530": raw(530),
    "leadership lost": says(400, "leadership lost mid-call"),
}
NEVER_REPEATED = {
    "sealed": (says(503, "Vault is sealed"), "vault_sealed"),
    "a quota": (says(429, 'request path "sys/wrapping/lookup": rate limit quota exceeded'), "vault_throttled"),
    "something before Vault": (raw(429, retry_after="1"), "vault_throttled"),
    "a text before Vault": (raw(429, b"slow down"), "vault_throttled"),
    "an object of something else": (raw(429, b"{}"), "vault_throttled"),
    "a refusal": (says(400, "missing client token"), "vault_refused"),
    "a 403 without a token": (says(403, "permission denied"), "vault_refused"),
    "another redirect": (raw(302, location="http://127.0.0.1:1/"), "vault_answer_invalid"),
    "no JSON": (raw(200, b"<html>"), "vault_answer_invalid"),
    "a list": (raw(200, b"[]"), "vault_answer_invalid"),
    "no creation path": (raw(200, b'{"data": {}}'), "vault_answer_invalid"),
}


def connections(calls: list[Received]) -> set[int]:
    return {received.connection for received in calls}


@pytest.mark.parametrize("action", [*LAGGING.values(), *UNAVAILABLE.values()], ids=[*LAGGING, *UNAVAILABLE])
def test_a_lookup_is_repeated_on_new_connections(
    action: Action, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.script[LOOKUP] = [action, action]
    with integration().open(request_of().event):
        pass
    assert node.paths() == [LOOKUP, LOOKUP, LOOKUP, UNWRAP, REVOKE]
    assert len(connections(node.calls(LOOKUP))) == 3


@pytest.mark.parametrize(("action", "code"), NEVER_REPEATED.values(), ids=NEVER_REPEATED)
def test_a_lookup_is_not_repeated_otherwise(
    action: Action, code: str, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.script[LOOKUP] = [action]
    assert refusal(integration(), request_of()).code == code
    assert node.paths() == [LOOKUP]


def test_a_lookup_that_broke_off_is_repeated_once(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    node.script[LOOKUP] = [broken]
    with integration().open(request_of().event):
        pass
    node.received.clear()
    node.script[LOOKUP] = [broken, broken, broken]
    assert refusal(integration(), request_of()).code == "vault_unreachable"
    assert node.paths() == [LOOKUP, LOOKUP]


def test_a_lookup_that_timed_out_is_not_repeated(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    node.always[LOOKUP] = hung
    assert refusal(integration(timeout=0.2), request_of()).code == "vault_timed_out"
    assert node.paths() == [LOOKUP]


@pytest.mark.parametrize("action", LAGGING_WITH_A_TOKEN.values(), ids=LAGGING_WITH_A_TOKEN)
def test_an_unwrap_is_repeated_after_another_lookup(
    action: Action, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.script[UNWRAP] = [action]
    with integration().open(request_of().event):
        pass
    assert node.paths() == [LOOKUP, UNWRAP, LOOKUP, UNWRAP, REVOKE]
    assert len(connections(node.calls(UNWRAP))) == 2


def test_an_unwrap_that_lags_beyond_all_patience_is_an_outage(
    integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.always[UNWRAP] = not_known
    error = refusal(integration(), request_of())
    assert (error.code, error.status) == ("wrapping_token_not_known", 503)
    # A lookup before each try, and one more that still shows the token.
    assert node.paths() == [*[LOOKUP, UNWRAP] * len(node.calls(UNWRAP)), LOOKUP]


@pytest.mark.parametrize("path", [LOOKUP, UNWRAP])
def test_a_node_that_says_that_it_lags_is_an_outage(
    path: str, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.always[path] = says(412, "required index state not present")
    assert refusal(integration(), request_of()).code == "vault_unavailable"


@pytest.mark.parametrize("path", [LOOKUP, UNWRAP])
def test_a_token_whose_life_ends_while_asking_is_expired(
    path: str, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.always[path] = not_known
    request = request_of()
    request.context["vaultWrapExpiresAt"] = str(int(time.time()) + 2)
    assert refusal(integration(), request).code == "wrapping_token_expired"


def test_an_unwrap_without_a_connection_is_tried_again(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    def last_answer(node: Node, received: Received) -> Reply:
        node.refuse_connections()
        reply = passed_on(node, received)
        return Reply(reply.status, reply.body, (("Connection", "close"),))

    node.script[LOOKUP] = [last_answer]
    began = time.monotonic()
    assert refusal(integration(), request_of()).code == "vault_unreachable"
    assert node.paths() == [LOOKUP]
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("action", LAGGING_WITH_A_TOKEN.values(), ids=LAGGING_WITH_A_TOKEN)
def test_every_call_waits_for_a_node_that_knows_the_token(
    action: Action, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.script = {READ: [action, passed_on, action], REVOKE: [action]}
    with integration().open(request_of().event) as token:
        assert token.kv("secret").get("prod/orders")["password"] == PASSWORD
        token.write(READ, {"data": {"password": PASSWORD}})
    assert node.paths() == [LOOKUP, UNWRAP, READ, READ, READ, READ, REVOKE, REVOKE]
    reads = node.calls(READ)
    assert [received.method for received in reads] == ["GET", "GET", "POST", "POST"]
    assert reads[0].connection != reads[1].connection
    assert reads[2].connection != reads[3].connection


def read(token: Token) -> None:
    token.read(READ)


def write(token: Token) -> None:
    token.write(READ, {"data": {"password": PASSWORD}})


@pytest.mark.parametrize("action", UNAVAILABLE.values(), ids=UNAVAILABLE)
def test_a_read_is_repeated_where_vault_is_unavailable_and_a_write_is_not(
    action: Action, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    with integration().open(request_of().event) as token:
        node.script[READ] = [action]
        read(token)
        node.script[READ] = [action]
        with pytest.raises(VaultContextError) as caught:
            write(token)
    assert caught.value.code == "vault_unavailable"
    assert [received.method for received in node.calls(READ)] == ["GET", "GET", "POST"]


def test_a_read_that_counts_is_not_repeated_where_vault_is_unavailable(
    integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.script[READ] = [says(503, "Vault is in standby mode")]
    with integration().open(request_of(num_uses=3).event) as token, pytest.raises(VaultContextError) as caught:
        read(token)
    assert caught.value.code == "vault_unavailable"
    assert len(node.calls(READ)) == 1


@pytest.mark.parametrize(
    "action", [broken, says(403, "1 error occurred:\n\t* permission denied\n\n"), says(503, "Vault is sealed")]
)
def test_no_call_is_repeated_otherwise(action: Action, integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    node.always[READ] = action
    with integration().open(request_of().event) as token:
        for use in (read, write):
            with pytest.raises(VaultContextError) as caught:
                use(token)
            assert caught.value.code in ("vault_unreachable", "vault_forbidden", "vault_sealed")
    assert len(node.calls(READ)) == 2


def test_a_token_that_is_used_up_is_not_waited_for(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    with integration().open(request_of(num_uses=2).event) as token:
        read(token)
        read(token)
        with pytest.raises(VaultContextError) as caught:
            read(token)
    assert caught.value.code == "vault_token_not_valid"
    assert len(node.calls(READ)) == 3
    assert len(node.calls(REVOKE)) == 1


def test_a_lag_uses_no_use_up(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    node.script[READ] = [not_known, not_known, not_known]
    with integration().open(request_of(num_uses=2).event) as token:
        read(token)
        node.script[READ] = [not_known]
        read(token)
    assert len(node.calls(READ)) == 6


def test_pauses_end_with_the_tokens_life_and_with_patience() -> None:
    assert Patience().pause(Life(0)) is Over.LIFE
    assert Patience().pause(Life(0.005)) is Over.LIFE
    patience, pauses = Patience(), 0
    while (over := patience.pause(Life(3600))) is None:
        pauses += 1
    assert over is Over.PATIENCE
    # From 20 ms to 400 ms, each halved by chance.
    assert 5 <= pauses <= 14


def test_the_words_for_an_unknown_token_are_those_of_openbao(node: Node) -> None:
    response = node.http.request("POST", f"{node.upstream}/v1/{LOOKUP}", json={"token": "hvs.unknown"})
    assert response.status == 400
    assert response.json() == {"errors": [UNKNOWN_WRAPPING_TOKEN]}
