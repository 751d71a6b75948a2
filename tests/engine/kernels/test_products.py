"""Matrix products of the compiled kernels, against NumPy in double precision."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_cli.engine.kernels.backend import KernelLibrary
from llama_cli.engine.kernels.blas import Blas, installed_blas
from llama_cli.engine.kernels.installed import find_kernels


@pytest.fixture(scope="module")
def library() -> KernelLibrary:
    path = find_kernels()
    assert path is not None
    return KernelLibrary(path)


@pytest.fixture(scope="module")
def blas() -> Iterator[Blas]:
    found = next(installed_blas(), None)
    assert found is not None, "make setup installs scipy-openblas32"
    return found


SIZES = st.tuples(st.integers(1, 60), st.integers(1, 130), st.integers(1, 100))


@settings(max_examples=200, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1))
def test_products_of_any_size_are_right(
    library: KernelLibrary, blas: Blas, sizes: tuple[int, int, int], seed: int
) -> None:
    rows, depth, outputs = sizes
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, depth), np.float32)
    weights = random.standard_normal((outputs, depth), np.float32)
    exact = x.astype(np.float64) @ weights.astype(np.float64).T
    for multiplier in (None, blas):
        out = np.full((rows, outputs), np.nan, np.float32)
        library.multiply(multiplier, x, weights, out)
        assert np.abs(out - exact).max() < 1e-5 * (1 + depth)


def test_a_library_that_computes_nonsense_is_found_out(library: KernelLibrary) -> None:
    import ctypes

    # Takes its arguments and does nothing.
    does_nothing = ctypes.CFUNCTYPE(None)(lambda: None)
    address = ctypes.cast(does_nothing, ctypes.c_void_p).value
    assert address is not None
    assert not library.is_right(Blas("nonsense", address))
    assert library.is_right(None)
