"""The outcome of one call to Vault: an `Answer`, or a `Failure` that says whether the call may be repeated.

Failures are values inside this package, because an exception would keep the HTTP client's exception, and the request with
its token, as its context. `Failure.error` makes the public exception.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from . import errors
from .message import harmless

_NOT_KNOWN = "it expired, was used up or was revoked, or this node does not know it yet"
_ANOTHER_SERVER = "the answer is not Vault's, so another server may be at this address"
_OUTAGES = ("vault_unreachable", "vault_timed_out", "vault_sealed", "vault_throttled", "vault_unavailable")


@dataclass(frozen=True)
class Answer:
    """What Vault answered. Empty for a 204."""

    body: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Failure:
    """A call without an answer."""

    code: str
    text: str
    may_be_lag: bool = False
    """The node may only lag behind the others: it has not heard of the token, so it did nothing and counted no use of it."""
    not_sent: bool = False
    """The request certainly never reached Vault."""

    @property
    def is_outage(self) -> bool:
        """Whether the cause is the state of Vault or the network, and not the call."""
        return self.code in _OUTAGES

    @property
    def may_be_one_nodes_own(self) -> bool:
        """Whether another node might have answered. A quota is the cluster's."""
        return self.may_be_lag or (self.is_outage and not self.not_sent and self.code != "vault_throttled")

    def error(self) -> errors.VaultContextError:
        """Return the exception to raise. It holds nothing but texts."""
        return (errors.VaultUnavailable if self.is_outage else errors.VaultDenied)(self.code, self.text)


def accepted(path: str, body: bytes) -> Answer | Failure:
    """Read the body of a 2xx."""
    answer = json_object(body)
    return answer_invalid(path, "it is not a JSON object") if answer is None else Answer(answer)


def answer_invalid(path: str, reason: str) -> Failure:
    """The answer is not in Vault's documented form, so another server may have sent it."""
    return Failure("vault_answer_invalid", f"the answer to `{path}` is not one of Vault's: {reason}")


def wrapping_token_not_valid(path: str) -> Failure:
    """The wrapping token is used up, expired, was never one, or has not come to this node yet."""
    text = f"Vault does not know the wrapping token sent to `{path}`: {_NOT_KNOWN}"
    return Failure("vault_wrapping_token_not_valid", text, may_be_lag=True)


def refused(path: str, status: int, *, sent_token: bool, retry_after: bool, body: bytes, secrets: tuple[str, ...]) -> Failure:
    """Classify a 4xx or 5xx by the texts of Vault and OpenBao. Only a sanitised text leaves this function."""
    texts = _texts(body)

    def says(words: str) -> bool:
        return any(words in text for text in texts)

    no_reason = _ANOTHER_SERVER if json_object(body) is None else "no reason given"
    reason = harmless(texts[0], secrets) if texts else ""
    unavailable = Failure(
        "vault_unavailable",
        f"Vault cannot answer `{path}` now (status {status}): {reason or no_reason}",
        # A standby that lags behind says so with 412, or with a 429 that has an empty list of errors.
        may_be_lag=status in (412, 429),
    )
    if status == 429:
        is_lag = not texts and (not retry_after or body.strip() != b"")
        return unavailable if is_lag else Failure("vault_throttled", f"Vault's rate limit refused `{path}`")
    if status == 503 and says("Vault is sealed"):
        return Failure("vault_sealed", f"Vault is sealed (`{path}`)")
    # The second text is of a token that is being unwrapped at this moment.
    if status == 400 and (says("wrapping token is not valid or does not exist") or says("no information found")):
        return wrapping_token_not_valid(path)
    if status == 400 and says("leadership lost"):
        return unavailable
    if status == 403 and sent_token:
        if says("invalid token") or "permission denied" in texts:
            text = f"Vault does not know the token sent to `{path}`: {_NOT_KNOWN}"
            return Failure("vault_token_not_valid", text, may_be_lag=True)
        if says("permission denied"):
            return Failure("vault_forbidden", f"the token's policies do not allow `{path}`")
    # A 404 of a proxy without a backend must not pass for a Vault in which there is nothing at the path.
    if status in (412, 472, 473, 474) or status >= 500 or (status == 404 and json_object(body) is None):
        return unavailable
    return Failure("vault_refused", f"Vault refused `{path}` (status {status}): {reason or no_reason}")


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body, and None for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _texts(body: bytes) -> list[str]:
    """`{"errors":["…"]}`, or the text of a proxy in front of Vault; none for an empty body."""
    if not body.strip():
        return []
    answer = json_object(body)
    if answer is None:
        return [body.decode(errors="replace")]
    listed = answer.get("errors")
    # An object without errors can be data, which belongs in no message.
    return listed if isinstance(listed, list) and all(isinstance(text, str) for text in listed) else [""]
