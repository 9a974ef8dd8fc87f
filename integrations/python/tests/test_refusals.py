from __future__ import annotations

import json
import threading

import pytest

from conftest import CREATION_PATH, MakeIntegration, MakeRequest
from node import Node, Received, Reply, lost, not_known, passed_on
from test_scope import accessors
from vault_context import (
    AccessorMismatch,
    ContextMissing,
    ContextTampered,
    Integration,
    LeaseTooLong,
    TokenExpired,
    TokenSpent,
    VaultContextError,
    VaultDenied,
    VaultUnavailable,
)
from vault_context.testing import DevelopmentVault, WrappedRequest

UNWRAP = "sys/wrapping/unwrap"
LOOKUP = "sys/wrapping/lookup"


def refusal(integration: Integration, request: WrappedRequest) -> VaultContextError:
    with pytest.raises(VaultContextError) as caught, integration.open(request.event):
        pytest.fail("the token was opened")
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    return caught.value


def test_a_request_without_a_context_or_token_is_refused(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    request = request_of({key: None for key in request_of().context if key.startswith("vaultW")} | {"vaultCreationPath": None})
    request.context.pop("vaultAddress")
    error = refusal(integration(), request)
    assert isinstance(error, ContextMissing)
    assert error.code == "no_token"
    assert refusal(integration(), WrappedRequest({})).code == "no_context"
    assert node.received == []


def test_an_expired_token_is_refused_without_asking(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    error = refusal(integration(), request_of({"vaultWrapExpiresAt": "1700000000"}))
    assert isinstance(error, TokenExpired)
    assert node.received == []


def test_a_token_wrapped_again_is_refused(integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault) -> None:
    request = request_of()
    stolen = vault.call("POST", "sys/wrapping/unwrap", {"token": request.context["vaultWrappingToken"]})["auth"]
    again = vault.call("POST", "sys/wrapping/wrap", {"auth": stolen}, wrap_ttl="60s")["wrap_info"]["token"]
    error = refusal(integration(), WrappedRequest({**request.context, "vaultWrappingToken": again}))
    assert isinstance(error, ContextTampered)
    assert error.code == "creation_path_mismatch"
    assert str(error).startswith("Vault's lookup names a creation path")


def test_a_token_of_another_expected_path_than_announced_is_refused(
    integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault
) -> None:
    other = "auth/token/create/orders-prod-writer"
    swapped = vault.wrapped_request(other, policies=["orders-read"]).context["vaultWrappingToken"]
    error = refusal(integration(creation_paths=[CREATION_PATH, other]), request_of({"vaultWrappingToken": swapped}))
    assert error.code == "creation_path_mismatch"


def test_a_swapped_token_is_revoked(integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault) -> None:
    announced, swapped = request_of(), request_of()
    request = WrappedRequest({**announced.context, "vaultWrappingToken": swapped.context["vaultWrappingToken"]})
    error = refusal(integration(), request)
    assert isinstance(error, AccessorMismatch)
    left = accessors(vault)
    assert swapped.context["vaultWrappedAccessor"] not in left
    assert announced.context["vaultWrappedAccessor"] in left


@pytest.mark.parametrize("ttl", ["901s", "3600s"])
def test_a_token_that_lives_too_long_is_revoked(
    ttl: str, integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault
) -> None:
    request = request_of(ttl=ttl)
    error = refusal(integration(), request)
    assert isinstance(error, LeaseTooLong)
    assert f"lives {ttl.removesuffix('s')} s" in str(error)
    assert request.context["vaultWrappedAccessor"] not in accessors(vault)
    with integration(max_lease=int(ttl.removesuffix("s"))).open(request_of(ttl=ttl).event) as token:
        assert token.lease_seconds == int(ttl.removesuffix("s"))


def test_policies_of_an_entity_are_refused_unless_allowed(
    integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault
) -> None:
    entity = vault.call("POST", "identity/entity", {"name": "acme", "policies": ["tenant-acme"]})
    mount = vault.call("GET", "sys/auth")["data"]["token/"]["accessor"]
    canonical_id = (entity or vault.call("GET", "identity/entity/name/acme"))["data"]["id"]
    alias = {"name": "acme@corp", "canonical_id": canonical_id, "mount_accessor": mount}
    vault.call("POST", "identity/entity-alias", alias)
    request = request_of(entity_alias="acme@corp")
    error = refusal(integration(), request)
    assert isinstance(error, VaultDenied)
    assert (error.code, error.status) == ("identity_policies", 403)
    assert request.context["vaultWrappedAccessor"] not in accessors(vault)
    with integration(allow_identity_policies=True).open(request_of(entity_alias="acme@corp").event) as token:
        assert "tenant-acme" in token.policies


def test_a_batch_token_is_refused(
    integration: MakeIntegration, request_of: MakeRequest, vault: DevelopmentVault, node: Node
) -> None:
    request = request_of()
    role = {"allowed_policies": ["orders-read"], "token_type": "batch", "orphan": True, "renewable": False}
    vault.call("POST", "auth/token/roles/orders-prod-reader", role)
    batch = vault.call("POST", CREATION_PATH, {"policies": ["orders-read"], "ttl": "60s"}, wrap_ttl="60s")["wrap_info"]["token"]
    error = refusal(integration(), WrappedRequest({**request.context, "vaultWrappingToken": batch}))
    assert (error.code, error.status) == ("not_a_service_token", 403)
    assert node.paths() == [LOOKUP, UNWRAP, "auth/token/revoke-self"]


def test_wrapped_data_that_is_no_token_is_refused(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    node.script[UNWRAP] = [lambda _node, _received: Reply(200, b'{"data": {"password": "hunter2"}, "auth": null}')]
    assert refusal(integration(), request_of()).code == "not_a_service_token"


def test_a_token_stolen_after_the_lookup_is_an_alarm(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    def stolen(node: Node, received: Received) -> Reply | None:
        passed_on(node, received)
        return not_known(node, received)

    node.script[UNWRAP] = [stolen]
    error = refusal(integration(), request_of())
    assert isinstance(error, TokenSpent)
    assert (error.code, error.status, error.is_outage) == ("not_valid_any_more", 403, False)
    assert len(node.calls(UNWRAP)) == 1
    assert len(node.calls(LOOKUP)) > 2


def test_an_unwrap_without_an_answer_is_never_repeated(integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    node.script[UNWRAP] = [lost]
    error = refusal(integration(), request_of())
    assert isinstance(error, VaultUnavailable)
    assert (error.code, error.status, error.is_outage) == ("vault_unreachable", 503, True)
    assert node.paths() == [LOOKUP, UNWRAP]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_unwrap_that_a_load_balancer_answers_is_never_sent_again(
    status: int, integration: MakeIntegration, request_of: MakeRequest, node: Node
) -> None:
    node.script[UNWRAP] = [lambda _node, _received: Reply(status, b"<html>Bad Gateway</html>")]
    assert refusal(integration(), request_of()).code == "vault_unavailable"
    assert node.paths() == [LOOKUP, UNWRAP]


@pytest.mark.parametrize("field", ["accessor", "lease_duration", "token_type", "client_token"])
def test_a_malformed_token_is_refused(field: str, integration: MakeIntegration, request_of: MakeRequest, node: Node) -> None:
    def malformed(node: Node, received: Received) -> Reply:
        answer = json.loads(passed_on(node, received).body)
        answer["auth"][field] = ["x"]
        return Reply(200, json.dumps(answer).encode())

    node.script[UNWRAP] = [malformed]
    error = refusal(integration(), request_of())
    assert error.status == (500 if field == "client_token" else 403)
    assert ("auth/token/revoke-self" in node.paths()) is (field != "client_token")


def test_many_threads_share_one_integration(integration: MakeIntegration, request_of: MakeRequest) -> None:
    made, requests, seen = integration(), [request_of() for _ in range(16)], list[str]()

    def use(request: WrappedRequest) -> None:
        with made.open(request.event) as token:
            token.kv("secret").get("prod/orders")
            seen.append(token.accessor)

    threads = [threading.Thread(target=use, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(request.context["vaultWrappedAccessor"] for request in requests)


def test_of_many_that_open_one_token_one_succeeds(integration: MakeIntegration, request_of: MakeRequest) -> None:
    made, request, outcomes = integration(), request_of(), list[str]()

    def use() -> None:
        try:
            with made.open(request.event):
                outcomes.append("opened")
        # OpenBao answers some of them with an internal error while it revokes the wrapping token.
        except VaultContextError:
            outcomes.append("refused")

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["opened", "refused", "refused", "refused"]
