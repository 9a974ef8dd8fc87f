"""Retrying while a node of Vault does not know a token yet.

The active node makes a token, and a standby that serves reads hears of it some milliseconds later. Until then it says that
there is no such token, in the words for a spent one, or it answers 412. Which calls may be sent again is left to the steps.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from enum import Enum, auto

from .answer import Answer, Failure

_log = logging.getLogger("vault_context")

# Standbys lag by milliseconds, and a Lambda function has 3 s unless it is given more.
_PATIENCE_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.4


class Over(Enum):
    """Why a step stops retrying."""

    LIFE = auto()
    """The token has expired, or would before the next answer."""
    PATIENCE = auto()
    """No node lags behind for this long."""


class Life:
    """How long a token lives, counted from when this side received it."""

    def __init__(self, seconds: float) -> None:
        # Within one request: a Lambda is not frozen while it serves one.
        self._ends_at = time.monotonic() + seconds

    def is_over_after(self, pause: float) -> bool:
        """Tell whether the token is gone when a pause from now is over."""
        return time.monotonic() + pause >= self._ends_at


class Patience:
    """The pauses of one step."""

    def __init__(self) -> None:
        self._ends_at = time.monotonic() + _PATIENCE_SECONDS
        self._next = _FIRST_PAUSE_SECONDS

    def pause(self, life: Life) -> Over | None:
        """Wait before the next try, or say why there is none."""
        pause = self._next * random.uniform(0.5, 1)  # noqa: S311 (spreads load, protects nothing)
        if life.is_over_after(pause):
            return Over.LIFE
        if time.monotonic() + pause > self._ends_at:
            return Over.PATIENCE
        if self._next == _FIRST_PAUSE_SECONDS:
            _log.info("a node of Vault does not know the token, or not yet: retrying")
        self._next = min(self._next * 2, _LONGEST_PAUSE_SECONDS)
        time.sleep(pause)
        return None


def may_be_lag(failure: Failure) -> bool:
    """Tell whether any call with a new token may be sent again, because the node did nothing."""
    return failure.may_be_lag


def until_known(
    send: Callable[[], Answer | Failure], life: Life, again: Callable[[Failure], bool] = may_be_lag
) -> Answer | Failure:
    """Send a call with a new token until a node knows the token."""
    patience = Patience()
    while True:
        outcome = send()
        if isinstance(outcome, Answer) or not again(outcome) or patience.pause(life):
            return outcome
