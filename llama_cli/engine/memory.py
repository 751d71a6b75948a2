"""Giving memory back to the system that nobody will need again."""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from llama_cli.engine.library import llama_cpp

_FLOAT_BYTES = 4

# M_MMAP_THRESHOLD in glibc's malloc.h.
_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 18


def give_back_large_blocks() -> None:
    """Have the C library give large blocks back to the system when they are freed.

    Once a long line was freed, glibc would keep room for others of up to 32 MiB in its heap: it
    raises the size from which on it gives blocks back to that of the largest one it has seen,
    unless the size was set. Elsewhere than with glibc nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


def release_logits(context: Any, tokens: int, vocabulary: int) -> None:
    """Give back the whole pages of a context's room for logits, which embedding never reads.

    A context sets aside ``n_vocab`` floats for every token of a batch, and clears them: 62 MB for
    512 tokens of a BERT vocabulary, 600 MB for 1,024 tokens of Qwen's. For an encoder nothing is
    ever written there. On Linux a page of anonymous memory that is given back reads as zeros when
    it is touched again, which is just what it held.

    Args:
        context: a llama.cpp context of an encoder, not decoding now.
        tokens: tokens of the largest batch so far, or sequences where that is more.
        vocabulary: tokens in the model's vocabulary.
    """
    advise = _madvise()
    pointer = llama_cpp().llama_get_logits(context)
    if advise is None or not pointer:
        return
    address = ctypes.addressof(pointer.contents)
    start = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    end = (address + tokens * vocabulary * _FLOAT_BYTES) // mmap.PAGESIZE * mmap.PAGESIZE
    if end > start:
        advise(start, end - start, mmap.MADV_DONTNEED)


@functools.cache
def _madvise() -> Callable[[int, int, int], int] | None:
    """The C library's madvise, on Linux only: elsewhere its promise is weaker."""
    if sys.platform != "linux":
        return None
    function = ctypes.CDLL(None).madvise
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return function
