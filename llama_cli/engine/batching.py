"""Which texts go into one decode. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def pack(
    items: Iterable[T],
    tokens_of: Callable[[T], int],
    bytes_of: Callable[[T], int],
    *,
    max_tokens: int,
    max_items: int,
    max_bytes: int,
) -> Iterator[list[T]]:
    """Group consecutive items into batches, in order, never splitting one.

    Texts are laid end to end in a batch without padding, so nothing is gained by sorting them;
    keeping the order lets rows leave as soon as they are computed.

    Args:
        items: what to group.
        tokens_of: tokens of one item; 0 for one that needs no computing.
        bytes_of: bytes of its text.
        max_tokens: a batch's limit; an item that is larger by itself gets a batch of its own.
        max_items: the most items in a batch.
        max_bytes: a batch with so many bytes of text takes no more items.
    """
    batch: list[T] = []
    tokens = size = 0
    for item in items:
        item_tokens = tokens_of(item)
        if batch and tokens + item_tokens > max_tokens:
            yield batch
            batch, tokens, size = [], 0, 0
        batch.append(item)
        tokens += item_tokens
        size += bytes_of(item)
        # Texts may be many MB each: let this one go, and a full batch too, before the next.
        del item
        if tokens >= max_tokens or len(batch) == max_items or size >= max_bytes:
            yield batch
            batch, tokens, size = [], 0, 0
    if batch:
        yield batch
