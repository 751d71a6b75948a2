"""The partial outputs of this process, for when it has to end at once."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Protocol

_PATIENCE_SECONDS = 1.0


class Abandonable(Protocol):
    """An unfinished output."""

    def abandon(self) -> int:
        """Remove what nobody could resume; returns how many rows are kept."""
        ...


_active: weakref.WeakSet[Abandonable] = weakref.WeakSet()
_beginning = threading.Lock()


@contextlib.contextmanager
def registered(output: Abandonable) -> Iterator[None]:
    """Take note of an output whose files are made in the block."""
    with _beginning:
        yield
        _active.add(output)


def abandon_active() -> int:
    """Leave all partial outputs, since this process is about to end, from any thread.

    Returns:
        How many rows are kept.
    """
    # One may just be making its files; on a disk that hangs, for ever.
    if _beginning.acquire(timeout=_PATIENCE_SECONDS):
        _beginning.release()
    return sum(output.abandon() for output in list(_active))
