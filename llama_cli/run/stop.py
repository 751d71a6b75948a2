"""Asking a run to stop, from another thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


class StopSwitch:
    """Off until it is turned, once."""

    def __init__(self) -> None:
        self._turned = False
        self._over = False
        self._action: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def turn(self) -> bool:
        """Ask the run to stop; whether there is, or was, one to hear it."""
        with self._lock:
            self._turned = True
            if self._action is not None:
                self._action()
            return self._action is not None or self._over

    @contextlib.contextmanager
    def calls(self, action: Callable[[], None]) -> Iterator[None]:
        """Have it call something, while the block runs; at once if it is turned already."""
        with self._lock:
            self._action = action
            if self._turned:
                action()
        try:
            yield
        finally:
            with self._lock:
                self._action, self._over = None, True
