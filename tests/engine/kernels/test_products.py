"""Matrix products of the compiled kernels, against NumPy in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_cli.engine.kernels.backend import KernelLibrary
from llama_cli.engine.kernels.installed import find_kernels


@pytest.fixture(scope="module")
def library() -> KernelLibrary:
    path = find_kernels()
    assert path is not None
    return KernelLibrary(path)


SIZES = st.tuples(st.integers(1, 60), st.integers(1, 130), st.integers(1, 100))


@settings(max_examples=200, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1))
def test_products_of_any_size_are_right(
    library: KernelLibrary, sizes: tuple[int, int, int], seed: int
) -> None:
    rows, depth, outputs = sizes
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, depth), np.float32)
    weights = random.standard_normal((outputs, depth), np.float32)
    exact = x.astype(np.float64) @ weights.astype(np.float64).T
    out = library.multiply(x, weights)
    assert np.abs(out - exact).max() < 1e-5 * (1 + depth)


@settings(max_examples=100, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_a_row_is_the_same_in_any_company(
    library: KernelLibrary, sizes: tuple[int, int, int], seed: int, data: st.DataObject
) -> None:
    """To the last bit: a run that resumes has other texts beside it in a batch."""
    rows, depth, outputs = sizes
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, depth), np.float32)
    weights = random.standard_normal((outputs, depth), np.float32)
    some = data.draw(st.slices(rows))
    chosen = np.ascontiguousarray(x[some])
    assert np.array_equal(library.multiply(chosen, weights), library.multiply(x, weights)[some])
