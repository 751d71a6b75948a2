"""Which texts go into one decode. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def pack(
    items: Iterable[T], size: Callable[[T], int], *, max_tokens: int, max_items: int
) -> Iterator[list[T]]:
    """Group consecutive items into batches, in order, never splitting one.

    Texts are laid end to end in a batch without padding, so nothing is gained by sorting them;
    keeping the order lets rows leave as soon as they are computed.

    Args:
        items: what to group.
        size: tokens of one item, at least 1.
        max_tokens: a batch's limit; an item that is larger by itself gets a batch of its own.
        max_items: the most items in a batch.
    """
    batch: list[T] = []
    tokens = 0
    for item in items:
        item_tokens = size(item)
        if batch and tokens + item_tokens > max_tokens:
            yield batch
            batch, tokens = [], 0
        batch.append(item)
        tokens += item_tokens
        # Texts may be many MB each: let this one go, and a full batch too, before the next.
        del item
        if tokens >= max_tokens or len(batch) == max_items:
            yield batch
            batch, tokens = [], 0
    if batch:
        yield batch
