"""The digest of an input, as it was at the end of a line that was read some time ago."""

from __future__ import annotations

import collections
from typing import NamedTuple

import xxhash


class _Chunk(NamedTuple):
    start: int
    before: xxhash.xxh3_128
    data: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class InputDigest:
    """xxh3_128 of all bytes read. Reading runs ahead of the rows, and the rows are what is kept.

    One thread may read on while another asks.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.position = 0
        self._state = xxhash.xxh3_128()
        self._at_line_start = True
        # Only chunks in which a line ends: no other position is ever asked for.
        self._recent: collections.deque[_Chunk] = collections.deque()

    def update(self, data: bytes) -> None:
        """Take what was read next."""
        # Nor is a position in a long stretch of blank lines.
        if b"\n" in data and not (self._at_line_start and data.isspace()):
            self._recent.append(_Chunk(self.position, self._state.copy(), data))
        self._at_line_start = data.endswith(b"\n")
        self._state.update(data)
        self.position += len(data)

    def hexdigest(self) -> str:
        """Of everything, lower-case hex."""
        return self._state.hexdigest()

    def at(self, position: int) -> str:
        """Of the bytes before a line end, which must not lie before one told to `forget_before`."""
        self.forget_before(position)
        if not self._recent or self._recent[0].start >= position:
            if position != self.position:
                raise ValueError(f"no line ended at byte {position} not long ago")
            return self.hexdigest()
        start, before, data = self._recent[0]
        state = before.copy()
        state.update(memoryview(data)[: position - start])
        return state.hexdigest()

    def forget_before(self, position: int) -> None:
        """Free what is needed only for positions before this one."""
        while self._recent and self._recent[0].end < position:
            self._recent.popleft()
