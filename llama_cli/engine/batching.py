"""Which texts go into one decode, and how their answers come back to them.

Batches are filled in the order of the input. A text that came not long ago is not computed again:
it rides along in a batch and takes the vector of the earlier one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import xxhash

from llama_cli.records import TextRecord, TokenIds, VectorBatch

# About 20,000 vectors of 384 dimensions.
_BUDGET_BYTES = 32 << 20
# A digest, its entry, and the objects around a vector.
_OVERHEAD_BYTES = 400

T = TypeVar("T")


@dataclass(slots=True)
class Answer:
    """The model's answer to one distinct text; filled in when it is computed.

    Attributes:
        tokens: length of the text in tokens, special tokens included.
        truncated: whether the text was shortened to that.
        vector: float32[dimension], or None until then.
        valid: whether the vector is finite.
        time_ms: the text's share of its batch's compute time.
    """

    tokens: int
    truncated: bool
    vector: npt.NDArray[np.float32] | None = None
    valid: bool = False
    time_ms: int = 0

    @property
    def known_vector(self) -> npt.NDArray[np.float32]:
        """The vector, which must have been computed."""
        if self.vector is None:
            raise RuntimeError("a duplicate was collected before the text that it repeats")
        return self.vector


class RecentTexts:
    """Answers by text, the least recently seen forgotten first.

    A text is known by the xxh3_128 of its bytes; that two of a billion texts share one is less
    likely than one in 10**20 (n**2 / 2**129).
    """

    def __init__(self, dimension: int, *, budget_bytes: int = _BUDGET_BYTES) -> None:
        """Remember as many vectors of that dimension as the budget holds."""
        self._most = max(1, budget_bytes // (4 * dimension + _OVERHEAD_BYTES))
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()

    def clear(self) -> None:
        self._answers.clear()

    def find(self, text: bytes) -> Answer | None:
        """The answer of a text seen before; it may not be computed yet."""
        key = xxhash.xxh3_128_digest(text)
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def add(self, text: bytes, answer: Answer) -> None:
        """Remember a new text. Whoever holds a forgotten answer still gets its vector."""
        self._answers[xxhash.xxh3_128_digest(text)] = answer
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)


class Item(NamedTuple):
    """A text on its way: its tokens, or None where an earlier text brings the answer."""

    record: TextRecord
    answer: Answer
    ids: TokenIds | None
    text_bytes: int

    @property
    def cost(self) -> int:
        """Tokens to compute; duplicates ride along for nothing."""
        return 0 if self.ids is None else len(self.ids)


def make_batches(
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


def collect(batch: Sequence[Item]) -> VectorBatch:
    """The batch's rows in order. Called in order, so that duplicates find their answers."""
    answers = [item.answer for item in batch]
    times = [0 if item.ids is None else item.answer.time_ms for item in batch]
    return VectorBatch(
        records=[item.record for item in batch],
        embeddings=np.stack([answer.known_vector for answer in answers]),
        valid=np.array([answer.valid for answer in answers]),
        sequence_lengths=np.array([answer.tokens for answer in answers], np.uint32),
        processing_times_ms=np.array(times, np.uint64),
        truncated=np.array([answer.truncated for answer in answers]),
        duplicates=np.array([item.ids is None for item in batch]),
    )
