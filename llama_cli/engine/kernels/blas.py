"""Finding a BLAS library that may multiply matrices for our kernels.

They are loaded by their full path, so that an environment may be moved, and called through the C
interface that all of them have. One thread each: every context has a core of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import importlib.util
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

# Read when OpenBLAS is loaded: with "1" it starts no threads of its own.
_THREADS = "OPENBLAS_NUM_THREADS"

_MKL_LP64 = 0
_MKL_SEQUENTIAL = 1


@dataclass(frozen=True, slots=True)
class Blas:
    """A BLAS library in memory.

    Attributes:
        name: its name and version.
        sgemm: address of its ``cblas_sgemm``, which takes 32-bit integers.
    """

    name: str
    sgemm: int


def installed_blas() -> Iterator[Blas]:
    """BLAS libraries of this Python environment, loaded one after another as they are asked for."""
    for find in (_openblas, _mkl):
        try:
            with _one_thread():
                found = find()
        except (OSError, AttributeError, ImportError, ValueError) as error:
            log.debug("a BLAS library cannot be used: %s", error)
            continue
        if found is not None:
            yield found


def _openblas() -> Blas | None:
    """OpenBLAS from the package scipy-openblas32, whose symbols have a prefix of their own."""
    package = importlib.util.find_spec("scipy_openblas32")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "lib" / "libscipy_openblas.so"
    library = ctypes.CDLL(str(path))
    library.scipy_openblas_set_num_threads(1)
    library.scipy_openblas_get_corename.restype = ctypes.c_char_p
    core = library.scipy_openblas_get_corename().decode()
    version = importlib.metadata.version("scipy-openblas32")
    return Blas(f"OpenBLAS {version} for {core}", _address(library.scipy_cblas_sgemm))


def _mkl() -> Blas | None:
    """Intel's MKL from the package mkl."""
    try:
        files = importlib.metadata.files("mkl") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    path = next((file for file in files if file.name.startswith("libmkl_rt.so")), None)
    if path is None:
        return None
    library = ctypes.CDLL(str(Path(str(path.locate())).resolve()))
    # Both before the first product; the constants are those of mkl_service.h.
    library.MKL_Set_Interface_Layer(_MKL_LP64)
    library.MKL_Set_Threading_Layer(_MKL_SEQUENTIAL)
    return Blas(f"MKL {importlib.metadata.version('mkl')}", _address(library.cblas_sgemm))


def _address(function: object) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]
    if not address:
        raise ValueError("a function without an address")
    return address


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Set what the library reads, and put back what the user had."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
