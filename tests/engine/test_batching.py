"""Batches keep to their limits and to the order, and are filled one after the other."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from llama_cli.engine.batching import make_batches

sizes = st.lists(st.integers(1, 600), max_size=200)


@given(sizes, st.integers(1, 512), st.integers(1, 64), st.integers(1, 2000))
def test_every_item_once_in_order_and_no_batch_over_its_limits(
    items: list[int], max_tokens: int, max_items: int, max_bytes: int
) -> None:
    numbered = list(enumerate(items))
    batches = list(
        make_batches(
            numbered,
            lambda item: item[1],
            lambda item: 2 * item[1],
            max_tokens=max_tokens,
            max_items=max_items,
            max_bytes=max_bytes,
        )
    )
    assert [item for batch in batches for item in batch] == numbered
    for batch in batches:
        assert 1 <= len(batch) <= max_items
        assert len(batch) == 1 or sum(size for _, size in batch) <= max_tokens
        assert 2 * sum(size for _, size in batch[:-1]) < max_bytes


@given(sizes)
def test_batches_are_filled_before_a_new_one_starts(items: list[int]) -> None:
    batches = list(make_batches(items, int, int, max_tokens=512, max_items=64, max_bytes=10**9))
    for batch, following in itertools.pairwise(batches):
        assert len(batch) == 64 or sum(batch) + following[0] > 512


def test_batching_is_lazy() -> None:
    def endless() -> object:
        while True:
            yield 100

    batches = make_batches(endless(), int, int, max_tokens=250, max_items=64, max_bytes=10**9)  # type: ignore[arg-type, var-annotated]
    assert next(batches) == [100, 100]
