"""Telling the C library to give large blocks back to the system when they are freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# M_MMAP_THRESHOLD in glibc's malloc.h.
_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 18


def give_back_large_blocks() -> None:
    """Once a long line was freed, glibc would keep room for others of up to 32 MiB in its heap.

    It raises the size from which on it gives blocks back to that of the largest one it has seen,
    unless the size was set. Elsewhere than with glibc nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
