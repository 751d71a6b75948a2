"""Our own CPU kernels under llama.cpp, and who multiplies matrices for them.

Where `build` has compiled them, they are given to llama.cpp as one more backend.
Matrix products are theirs too, or a BLAS library's where that is installed and faster here.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from llama_cli.engine.kernels.blas import Blas, installed_blas
from llama_cli.engine.kernels.installed import NotUsableError, find_kernels
from llama_cli.engine.library import llama_cpp
from llama_cli.errors import UsageError

log = logging.getLogger(__name__)

# What may multiply: the faster one, our kernels, the BLAS library; or no kernels at all.
SWITCH = "LLAMA_CLI_KERNELS"
_CHOICES = ("auto", "own", "blas", "off")

# What `use_kernels` returns when no library multiplies.
OWN = "own kernels"

_BUILD = "python -m llama_cli.engine.kernels.build"

# A BLAS library must be that much faster: what it computes has to be read once more afterwards, and
# weights that are not F32 have to be widened before.
_MARGIN = 1.15

# Tokens, width and outputs of a common product, and of one that fits no kernel evenly and is too
# small for NumPy to start threads, which would keep spinning for a while.
_TIMED = (256, 384, 1536)
_CHECKED = (13, 21, 35)


@functools.cache
def use_kernels() -> str | None:
    """Register the kernels with llama.cpp, once a process.

    Returns:
        Who multiplies matrices, in words; None where there are no kernels to use.

    Raises:
        UsageError: the environment variable ``LLAMA_CLI_KERNELS`` has no known value.
    """
    choice = os.environ.get(SWITCH) or "auto"
    if choice not in _CHOICES:
        raise UsageError(f"{SWITCH}={choice}: it may be {', '.join(_CHOICES)}")
    if choice == "off":
        log.debug("kernels: llama.cpp's own, because %s is off", SWITCH)
        return None
    try:
        path = find_kernels()
        if path is None:
            log.debug("kernels: llama.cpp's own; none were compiled")
            return None
        library = KernelLibrary(path)
        if not library.is_right(None):
            raise NotUsableError("they compute wrong results on this CPU")
        blas = _choose(library, installed_blas(), choice)
        library.multiply_with(blas)
        library.register()
    except (NotUsableError, OSError, AttributeError, ImportError) as error:
        log.warning("the fast kernels are not used: %s; %s builds them again", error, _BUILD)
        return None
    products = blas.name if blas else OWN
    log.debug("kernels: %s; matrix products by %s", path, products)
    return products


def _choose(library: KernelLibrary, found: Iterator[Blas], choice: str) -> Blas | None:
    """The BLAS library to use; None for our own kernels."""
    if choice == "own":
        return None
    for blas in found:
        if not library.is_right(blas):
            log.debug("%s computes wrong results on this CPU", blas.name)
            continue
        if choice == "blas":
            return blas
        ours, theirs = library.time_both(blas)
        log.debug("matrix products: own kernels %.0f GFLOP/s", _rate(ours))
        log.debug("matrix products: %s %.0f GFLOP/s", blas.name, _rate(theirs))
        if ours > theirs * _MARGIN:
            return blas
    if choice == "blas":
        log.warning("%s=blas: no usable BLAS library; our own kernels multiply", SWITCH)
    return None


def _rate(seconds: float) -> float:
    """10**9 operations a second of the timed product."""
    rows, depth, outputs = _TIMED
    return 2e-9 * rows * depth * outputs / seconds


class KernelLibrary:
    """The compiled kernels."""

    def __init__(self, path: Path) -> None:
        llama_cpp()  # its libraries must be there first
        self._path = path
        self._functions = ctypes.CDLL(str(path))
        self._multiply = self._functions.embed_kernels_multiply
        self._multiply.restype = ctypes.c_double
        matrix = np.ctypeslib.ndpointer(np.float32, 2, flags="C_CONTIGUOUS")
        sizes = [ctypes.c_int64] * 3
        self._multiply.argtypes = [ctypes.c_void_p, matrix, matrix, matrix, *sizes]

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

    def multiply_with(self, blas: Blas | None) -> None:
        """Let a BLAS library multiply, or our own kernels."""
        self._functions.embed_kernels_use_sgemm.argtypes = [ctypes.c_void_p]
        self._functions.embed_kernels_use_sgemm(blas.sgemm if blas else None)

    def is_right(self, blas: Blas | None) -> bool:
        """Whether a product agrees with NumPy's in double precision."""
        x, weights, out = _matrices(*_CHECKED)
        self.multiply(blas, x, weights, out)
        return bool(
            np.allclose(out, x.astype(np.float64) @ weights.T.astype(np.float64), atol=1e-4)
        )

    def time_both(self, blas: Blas) -> tuple[float, float]:
        """Seconds of a common product with our kernels and with a BLAS library, turn about."""
        matrices = _matrices(*_TIMED)
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(7):
            times[0].append(self.multiply(None, *matrices))
            times[1].append(self.multiply(blas, *matrices))
        # What else the machine does only ever adds time, and must not decide: the two round
        # otherwise, so the last digits of all vectors hang on it.
        return min(times[0]), min(times[1])

    def multiply(self, blas: Blas | None, x: Any, weights: Any, out: Any) -> float:
        """Multiply with a BLAS library or our own kernels; returns the seconds it took.

        Args:
            blas: the library, or None.
            x: float32[rows, depth].
            weights: float32[outputs, depth].
            out: float32[rows, outputs], filled with x times the transpose of weights.
        """
        sgemm = blas.sgemm if blas else None
        rows, depth = x.shape
        return float(self._multiply(sgemm, weights, x, out, rows, depth, len(weights)))


def _matrices(rows: int, depth: int, outputs: int) -> tuple[Any, Any, Any]:
    """Activations, weights, and room for their product."""
    random = np.random.default_rng(0)
    x = random.standard_normal((rows, depth), np.float32)
    weights = random.standard_normal((outputs, depth), np.float32)
    return x, weights, np.full((rows, outputs), np.nan, np.float32)
