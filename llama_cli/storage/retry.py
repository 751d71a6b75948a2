"""Failures on the way to a server: which may pass, when to try again, and what users are told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TypeVar

from llama_cli.errors import InputError, InputReadError

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

# Seconds before each further try. A server that restarts is back within them.
PAUSES = (0.5, 2.0, 5.0, 15.0)
# Of the first question about an input or output, which may just be mistyped: nothing is lost yet.
FIRST_PAUSES = PAUSES[:2]
_LONGEST_PAUSE = 120.0
_LONGEST_WORDS = 200
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class TransientError(Exception):
    """May be otherwise a moment later; ``wait`` is how long the server asks for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(in_one_line(reason))
        self.wait = wait


class RefusedError(Exception):
    """The server has answered, and the answer will stay the same.

    Attributes:
        hint: what the user can do about it, or None.
        missing: whether there is nothing of that name.
    """

    def __init__(self, reason: str, *, hint: str | None = None, missing: bool = False) -> None:
        super().__init__(in_one_line(reason))
        self.hint = hint
        self.missing = missing


class ChangedError(Exception):
    """The file is not the one that was opened."""

    def __init__(self) -> None:
        super().__init__("changed while it was read")


class Retry:
    """Counts the tries of one request, and waits between them."""

    def __init__(self, address: str, pauses: Sequence[float] | None = None) -> None:
        """No try has failed yet.

        Args:
            address: what is asked for, for messages.
            pauses: seconds before each further try; None for `PAUSES`.
        """
        self._address = address
        self._pauses = PAUSES if pauses is None else pauses
        self._failed = 0

    def progressed(self) -> None:
        """Forget the tries that failed: since then something has come."""
        self._failed = 0

    def wait(self, error: TransientError) -> None:
        """Wait until it makes sense to try again.

        Raises:
            TransientError: it has been tried often enough.
        """
        if self._failed == len(self._pauses):
            raise TransientError(f"{error}; tried {self._failed + 1} times") from error
        seconds = min(max(self._pauses[self._failed], error.wait), _LONGEST_PAUSE)
        self._failed += 1
        log.info("%s: %s; trying again in %g s", self._address, error, seconds)
        time.sleep(seconds)


def with_retries(
    ask: Callable[[], Answer], address: str, pauses: Sequence[float] | None = None
) -> Answer:
    """The answer to a question, asked again where that may help; see `Retry`.

    Raises:
        RefusedError: it is a refusal.
        TransientError: there is none.
    """
    retry = Retry(address, pauses)
    while True:
        try:
            return ask()
        except TransientError as error:
            retry.wait(error)


def may_pass(status: int) -> bool:
    """Whether a request that was answered with that HTTP status may succeed a moment later."""
    return status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def as_read_error(
    address: str, error: RefusedError | ChangedError | TransientError
) -> InputReadError:
    """The error for the user where reading cannot continue."""
    hint = error.hint if isinstance(error, RefusedError) else None
    return InputReadError(f"{address}: cannot read: {error}", hint=hint)


def in_one_line(words: object) -> str:
    """What a library says of an error, short enough to be shown."""
    line = " ".join(str(words).split())
    return line if len(line) <= _LONGEST_WORDS else f"{line[:_LONGEST_WORDS]}…"


def not_installed(scheme: str, error: ImportError) -> InputError:
    """The error for the user where a library is missing."""
    return InputError(
        f"{scheme}:// needs a library that is not installed ({in_one_line(error)})",
        hint="pip install 'llama-cli-embed[remote]'",
    )
