"""How the Hub is asked: who follows a download, and how patient it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Bytes that are there, and bytes of the whole.
ProgressCallback = Callable[[int, int], None]

# Seconds between one try and the next.
PAUSES = (1.0, 2.0, 4.0, 8.0)


def _ignore(_done: int, _total: int) -> None:
    """Follow nothing."""


@dataclass(frozen=True, slots=True)
class HubAccess:
    """How the Hub is asked.

    Attributes:
        on_progress: told of every piece of a download that has come.
        pauses: seconds to wait after each try that failed for a while; one try more than these.
    """

    on_progress: ProgressCallback = _ignore
    pauses: tuple[float, ...] = PAUSES
