"""What went wrong between this machine and the Hub: in one line, and whether it may pass."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

from llama_cli.errors import ModelError
from llama_cli.models.access import HubAccess
from llama_cli.models.names import HubName

log = logging.getLogger(__name__)

_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_LONGEST_PAUSE_SECONDS = 120.0
_LONGEST_WORDS = 200

Answer = TypeVar("Answer")


class IncompleteError(Exception):
    """The connection ended before the file did."""


# What may be otherwise a moment later; `HfHubHTTPError` is, for some of its codes.
NetworkError = (httpx2.TransportError, HfHubHTTPError, IncompleteError)


class Patience:
    """Counts the tries of one request, and waits between them."""

    def __init__(self, name: HubName, access: HubAccess) -> None:
        """No try has failed yet."""
        self._name = name
        self._pauses = access.pauses
        self._failed = 0

    def progressed(self) -> None:
        """Forget the tries that failed: since then something has come."""
        self._failed = 0

    def wait(self, error: Exception) -> None:
        """Wait until it makes sense to try again.

        Raises:
            ModelError: it makes no sense, or not any more.
        """
        if not may_pass(error):
            raise refusal(self._name, error) from error
        if self._failed == len(self._pauses):
            tries = self._failed + 1
            raise ModelError(
                f"{self._name.repo}: {describe(error)}; tried {tries} times{_no_file(self._name)}",
                hint="try again later; what has been downloaded is kept",
            ) from error
        seconds = max(self._pauses[self._failed], _asked_for(error))
        self._failed += 1
        log.info("%s: %s; trying again in %.0f s", self._name.repo, describe(error), seconds)
        time.sleep(seconds)


def persist(ask: Callable[[], Answer], name: HubName, access: HubAccess) -> Answer:
    """The answer to a request, tried again where that may help.

    Raises:
        ModelError: there is none.
    """
    patience = Patience(name, access)
    while True:
        try:
            return ask()
        except NetworkError as error:
            patience.wait(error)


def raise_for_status(response: httpx2.Response) -> None:
    """Raise what the answer's status means, whatever the server says of it.

    Raises:
        HfHubHTTPError: the status is that of a failure.
    """
    try:
        hf_raise_for_status(response)
    except (AttributeError, TypeError, KeyError) as error:  # the body is JSON, and not the Hub's
        raise HfHubHTTPError("the server's answer is not the Hub's", response=response) from error


def may_pass(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error, httpx2.UnsupportedProtocol)


def refusal(name: HubName, error: Exception) -> ModelError:
    """The error for the user where trying again is no use."""
    if not isinstance(error, HfHubHTTPError):
        return ModelError(f"{name.repo}: {describe(error)}")
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        page = f"{constants.ENDPOINT}/{name.repo}"
        return ModelError(
            f"{name.repo} is gated: its owner wants its terms accepted (HTTP {status})",
            hint=f"accept them at {page} and set HF_TOKEN to a token of that account",
        )
    if isinstance(error, RevisionNotFoundError):
        return ModelError(f"{name.repo} has no revision {name.revision} (HTTP {status})")
    if isinstance(error, RemoteEntryNotFoundError):
        return ModelError(f"{name.repo}: the Hub does not have the file that it lists")
    return _refusal_by_status(name, error)


def _refusal_by_status(name: HubName, error: HfHubHTTPError) -> ModelError:
    status = error.response.status_code
    if status == HTTPStatus.UNAUTHORIZED:
        return ModelError(
            f"{name.repo} is not on the Hub, or not for everybody (HTTP 401){_no_file(name)}",
            hint="check the name; if it is private or gated, set HF_TOKEN to a valid token",
        )
    if status == HTTPStatus.NOT_FOUND:
        return ModelError(
            f"{name.repo} is not on the Hub (HTTP 404){_no_file(name)}",
            hint="check the name; if it is private, set HF_TOKEN to a token that may read it",
        )
    return ModelError(
        f"{name.repo}: the Hub refuses: {describe(error)}",
        hint="check HF_TOKEN and what it may read" if status == HTTPStatus.FORBIDDEN else None,
    )


def _no_file(name: HubName) -> str:
    return "" if name.forced else f", and there is no such local file as {name}"


def describe(error: Exception) -> str:
    """What happened, in a few words."""
    if isinstance(error, HfHubHTTPError):
        said = (error.server_message or error.response.reason_phrase)[:_LONGEST_WORDS]
        return " ".join(f"HTTP {error.response.status_code} {said}".split())
    if isinstance(error, httpx2.TimeoutException):
        return "no answer from the Hub in time"
    if isinstance(error, httpx2.RemoteProtocolError):
        return "the connection ended early"
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"cannot reach the Hub: {reason}" if isinstance(error, httpx2.TransportError) else reason


def _asked_for(error: Exception) -> float:
    """Seconds that a server which is too busy asks to wait."""
    if isinstance(error, HfHubHTTPError):
        wanted = error.response.headers.get("Retry-After", "")
        return min(float(wanted), _LONGEST_PAUSE_SECONDS) if wanted.isdecimal() else 0.0
    return 0.0
