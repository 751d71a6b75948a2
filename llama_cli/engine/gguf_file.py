"""What a GGUF file says and llama.cpp's model does not, by llama.cpp's own reader of the format."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llama_cli.engine.library import llama_cpp
from llama_cli.splits import model_parts

# `enum gguf_type` in gguf.h.
_INT32 = 5


class _Parameters(ctypes.Structure):
    """``gguf_init_params`` of gguf.h."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


def has_tensor(path: Path, name: str) -> bool:
    """Whether a model has a tensor of that name, in any of its files."""
    for part in model_parts(path):
        with _opened(part) as (ggml, header):
            if header and ggml.gguf_find_tensor(header, name.encode()) >= 0:
                return True
    return False


def token_types(path: Path) -> npt.NDArray[np.int32]:
    """Types of a vocabulary's tokens (``llama_token_type``): int32[n], empty where unsaid."""
    with _opened(model_parts(path)[0]) as (ggml, header):
        key = ggml.gguf_find_key(header, b"tokenizer.ggml.token_type") if header else -1
        if key < 0 or ggml.gguf_get_arr_type(header, key) != _INT32:
            return np.empty(0, np.int32)
        size = 4 * ggml.gguf_get_arr_n(header, key)
        return np.frombuffer(ctypes.string_at(ggml.gguf_get_arr_data(header, key), size), np.int32)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, int | None]]:
    """The library, and the metadata and tensors' names of a file, or None for what is none."""
    ggml = llama_cpp()._lib
    pointer, key = ctypes.c_void_p, ctypes.c_int64
    for function, result, *arguments in (
        ("init_from_file", pointer, ctypes.c_char_p, _Parameters),
        ("free", None, pointer),
        ("find_tensor", key, pointer, ctypes.c_char_p),
        ("find_key", key, pointer, ctypes.c_char_p),
        ("get_arr_type", ctypes.c_int, pointer, key),
        ("get_arr_n", ctypes.c_size_t, pointer, key),
        ("get_arr_data", pointer, pointer, key),
    ):
        declared = getattr(ggml, f"gguf_{function}")
        declared.restype, declared.argtypes = result, arguments
    header = ggml.gguf_init_from_file(os.fsencode(path), _Parameters(True, None))
    try:
        yield ggml, header
    finally:
        if header:
            ggml.gguf_free(header)
