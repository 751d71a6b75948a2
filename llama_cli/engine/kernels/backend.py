"""Our own CPU kernels under llama.cpp: where `build` has compiled them, one more backend of it."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from llama_cli.engine.kernels.installed import SWITCH, NotUsableError, find_kernels
from llama_cli.engine.library import llama_cpp
from llama_cli.errors import UsageError
from llama_cli.records import FloatMatrix

log = logging.getLogger(__name__)

_CHOICES = ("auto", "off")

_BUILD = "python -m llama_cli.engine.kernels.build"

# Tokens, width and outputs of a product that fits no kernel evenly and is too small for NumPy to
# start threads, which would keep spinning for a while.
_CHECKED = (13, 21, 35)


@functools.cache
def use_kernels() -> bool:
    """Register the kernels with llama.cpp, once a process; returns whether there are any to use.

    Raises:
        UsageError: the environment variable ``LLAMA_CLI_KERNELS`` has no known value.
    """
    choice = os.environ.get(SWITCH) or "auto"
    if choice not in _CHOICES:
        raise UsageError(f"{SWITCH}={choice}: it may be {', '.join(_CHOICES)}")
    if choice == "off":
        log.debug("kernels: llama.cpp's own, because %s is off", SWITCH)
        return False
    try:
        path = find_kernels()
        if path is None:
            log.debug("kernels: llama.cpp's own; none were compiled")
            return False
        library = KernelLibrary(path)
        if not library.is_right():
            raise NotUsableError("they compute wrong results on this CPU")
        library.register()
    except (NotUsableError, OSError, AttributeError, ImportError) as error:
        log.warning("the fast kernels are not used: %s; %s builds them again", error, _BUILD)
        return False
    log.debug("kernels: %s", path)
    return True


class KernelLibrary:
    """The compiled kernels."""

    def __init__(self, path: Path) -> None:
        llama_cpp()  # its libraries must be there first
        self._path = path
        self._functions = ctypes.CDLL(str(path))
        self._multiply = self._functions.embed_kernels_multiply
        self._multiply.restype = None
        matrix = np.ctypeslib.ndpointer(np.float32, 2, flags="C_CONTIGUOUS")
        sizes = [ctypes.c_int64] * 3
        self._multiply.argtypes = [matrix, matrix, matrix, *sizes]

    def register(self) -> None:
        """Offer the kernels to every context made from now on.

        Raises:
            NotUsableError: llama.cpp refused them.
        """
        ggml: Any = llama_cpp()._lib
        ggml.ggml_backend_load.argtypes = [ctypes.c_char_p]
        ggml.ggml_backend_load.restype = ctypes.c_void_p
        if not ggml.ggml_backend_load(os.fsencode(self._path)):
            raise NotUsableError("llama.cpp refused them")

    def is_right(self) -> bool:
        """Whether a product agrees with NumPy's in double precision."""
        rows, depth, outputs = _CHECKED
        random = np.random.default_rng(0)
        x = random.standard_normal((rows, depth), np.float32)
        weights = random.standard_normal((outputs, depth), np.float32)
        exact = x.astype(np.float64) @ weights.T.astype(np.float64)
        return bool(np.allclose(self.multiply(x, weights), exact, atol=1e-4))

    def multiply(self, x: FloatMatrix, weights: FloatMatrix) -> FloatMatrix:
        """Multiply x by the transpose of weights.

        Args:
            x: float32[rows, depth].
            weights: float32[outputs, depth].

        Returns:
            float32[rows, outputs].
        """
        out = np.full((len(x), len(weights)), np.nan, np.float32)
        self._multiply(weights, x, out, *x.shape, len(weights))
        return out
