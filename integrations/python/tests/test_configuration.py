from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from conftest import CREATION_PATH
from test_context import event
from vault_context import Integration, VaultContextError
from vault_context.address import Address, same_address


def make(**options: Any) -> Integration:
    return Integration(**{"address": "https://vault.example.com:8200", "creation_paths": [CREATION_PATH], **options})


@pytest.mark.parametrize(
    "address",
    [
        "https://vault.example.com:8200",
        "https://vault.example.com/a/b/",
        "http://localhost:8200",
        "http://LOCALHOST",
        "http://127.9.9.9",
        "http://[::1]:8200",
    ],
)
def test_accepts_https_and_loopback_http(address: str) -> None:
    assert same_address(Address.parse(address), address)


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "vault.example.com",
        "https://",
        "https://:8200",
        "https://vault.example.com:port",
        "https://vault.example.com:0",
        "https://vault.example.com:99999",
        "https://vault.example.com\n",
        " https://vault.example.com",
        "https://vault.bücher.example",
        "https://vault.example.com/../x",
        "https://[::g]",
        "https://[fe80::1%25eth0]",
        "https://vault!.example.com",
        "http://vault.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.nip.io",
        "http://0.0.0.0:8200",
        "http://[::ffff:127.0.0.1]",
        "ftp://vault.example.com",
        "https://user:hunter2@vault.example.com",
        "https://vault.example.com?",
        "https://vault.example.com/?a=hunter2",
        "https://vault.example.com/#a",
        "https://vault.example.com\\@evil.example",
    ],
)
def test_refuses_what_credentials_must_not_be_sent_to(address: Any) -> None:
    with pytest.raises(ValueError, match=r"^address: .*Example: https://vault\.example\.com:8200$") as caught:
        make(address=address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://vault.example.com", "https://VAULT.example.com:443/", True),
        ("https://vault.example.com:8200", "https://vault.example.com:8200///", True),
        ("http://localhost", "http://localhost:80", True),
        ("https://vault.example.com/a", "https://vault.example.com/a/", True),
        ("https://vault.example.com/a", "https://vault.example.com/A", False),
        ("https://vault.example.com", "https://vault.example.com:8200", False),
        ("https://vault.example.com", "https://vault.example.org", False),
        ("https://localhost", "http://localhost", False),
        ("https://vault.example.com", "https://user@vault.example.com", False),
        ("https://vault.example.com", "nonsense", False),
    ],
)
def test_compares_addresses_by_what_they_mean(one: str, other: str, same: bool) -> None:
    assert same_address(Address.parse(one), other) is same


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("creation_paths", []),
        ("creation_paths", CREATION_PATH),
        ("creation_paths", None),
        ("creation_paths", ["auth/token"]),
        ("creation_paths", ["/auth/token/create/x"]),
        ("creation_paths", ["auth/token/create/"]),
        ("creation_paths", ["auth/token/create/*"]),
        ("creation_paths", ["auth/token/../x"]),
        ("creation_paths", ["auth/token/create/{{x}}"]),
        ("creation_paths", ["auth/a b/c"]),
        ("creation_paths", ["sys/wrapping/wrap"]),
        ("creation_paths", [CREATION_PATH, 1]),
        ("namespace", ""),
        ("namespace", "/"),
        ("namespace", "a b"),
        ("namespace", "a\r\nb"),
        ("namespace", 1),
        ("ca_file", ""),
        ("ca_file", 1),
        ("ca_file", "/nowhere/ca.pem"),
        ("max_lease", 0),
        ("max_lease", -1),
        ("max_lease", 1.5),
        ("max_lease", True),
        ("max_lease", "900"),
        ("timeout", 0),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("timeout", True),
        ("timeout", "5"),
        ("allow_identity_policies", "no"),
        ("allow_identity_policies", None),
    ],
)
def test_a_bad_option_is_refused_at_construction_by_its_name(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{option}: "):
        make(**{option: value})


def test_a_ca_file_without_a_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN NOTHING-----\n")
    with pytest.raises(ValueError, match=r"^ca_file: .*at least one certificate$"):
        make(ca_file=str(tmp_path / "ca.pem"))


def test_options_are_keywords_alone() -> None:
    with pytest.raises(TypeError):
        Integration("https://vault.example.com", [CREATION_PATH])  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "changes", "code"),
    [
        ({"address": "https://vault.example.com"}, {}, "address_mismatch"),
        ({}, {"vaultAddress": "https://evil.example"}, "address_mismatch"),
        ({}, {}, "namespace_mismatch"),
        ({"namespace": "platform/team1"}, {}, "namespace_mismatch"),
        ({"namespace": "/platform/"}, {"vaultNamespace": ""}, "namespace_mismatch"),
        ({"namespace": "/platform/"}, {"vaultCreationPath": "auth/token/create/other"}, "creation_path_mismatch"),
        ({"namespace": "/platform/"}, {"vaultWrapExpiresAt": "1"}, "wrapping_token_expired"),
        ({"namespace": "/platform/"}, dict.fromkeys(("vaultWrappingToken", "vaultAddress")), "context_invalid"),
    ],
)
def test_a_context_that_does_not_match_is_refused_without_the_network(options: Any, changes: Any, code: str) -> None:
    with pytest.raises(VaultContextError) as caught, make(**options).open(event(**changes)):
        pass
    assert (caught.value.code, caught.value.status) == (code, 403)


def test_the_comparison_has_an_order_and_a_token_is_compared_first() -> None:
    changes: dict[str, Any] = {"vaultAddress": "https://evil.example", "vaultWrapExpiresAt": "1", "vaultCreationPath": "x"}
    steps: list[tuple[str, dict[str, Any]]] = [
        ("address_mismatch", {"vaultAddress": "https://vault.example.com:8200"}),
        ("namespace_mismatch", {"vaultNamespace": None}),
        ("creation_path_mismatch", {"vaultCreationPath": CREATION_PATH}),
        ("wrapping_token_expired", {}),
    ]
    for code, fixed in steps:
        with pytest.raises(VaultContextError) as caught, make().open(event(**changes)):
            pass
        assert caught.value.code == code
        changes.update(fixed)


def test_a_clock_before_1970_makes_no_token_look_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: -1.0)
    with pytest.raises(VaultContextError) as caught, make(namespace="platform").open(event()):
        pass
    assert caught.value.code == "wrapping_token_expired"


def test_repr_is_the_configuration() -> None:
    shown = "Integration(address='https://vault.example.com:8200', creation_paths=('auth/token/create/orders-prod-reader',), "
    assert repr(make()) == shown + "namespace=None)"
