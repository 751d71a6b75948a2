"""Remembering the vectors of recent texts, so that a repeated text is computed once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

# About 20,000 vectors of 384 dimensions.
_BUDGET_BYTES = 32 << 20
# A digest, its entry, and the objects around a vector.
_OVERHEAD_BYTES = 400


@dataclass(slots=True)
class Answer:
    """What the model made of one distinct text; filled in when it is computed.

    Attributes:
        tokens: length of the text in tokens, special tokens included.
        truncated: whether the text was shortened to that.
        vector: float32[dimension], or None until then.
        valid: whether the vector is finite.
    """

    tokens: int
    truncated: bool
    vector: npt.NDArray[np.float32] | None = None
    valid: bool = False

    @property
    def known_vector(self) -> npt.NDArray[np.float32]:
        """The vector, which must have been computed."""
        if self.vector is None:
            raise RuntimeError("a repeated text was collected before the text it repeats")
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
        """Forget all texts."""
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
