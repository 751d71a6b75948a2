"""The digest of an input, as it was at the end of a text that was read some time ago."""

from __future__ import annotations

import collections
from typing import NamedTuple

import xxhash


class _Stretch(NamedTuple):
    """Bytes in which texts end: the digest of all before them, and they themselves."""

    start: int
    before: xxhash.xxh3_128
    data: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    def cut(self, first: int, last: int) -> _Stretch:
        """Only what is between two positions in it."""
        before = self.before.copy()
        before.update(memoryview(self.data)[: first - self.start])
        return _Stretch(first, before, self.data[first - self.start : last - self.start])


class InputDigest:
    """xxh3_128 of all bytes read. Reading runs ahead of the rows, and the rows are what is kept.

    One thread may read on while another asks.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.position = 0
        self._state = xxhash.xxh3_128()
        # Stretches in which texts end: no other position is ever asked for.
        self._recent: collections.deque[_Stretch] = collections.deque()
        self._newest_is_whole = False
        self._first = self._last = -1  # ends of the first and last text noted in it

    def update(self, data: bytes) -> None:
        """Take what was read next. All texts that end in what came before must have been noted."""
        self._cut_newest()
        if b"\n" in data:  # not in the middle of a huge line
            self._recent.append(_Stretch(self.position, self._state.copy(), data))
            self._newest_is_whole = True
        self._state.update(data)
        self.position += len(data)

    def note(self, position: int) -> None:
        """Take note that a text ends here, in what was read last."""
        if self._first < 0:
            self._first = position
        self._last = position

    def hexdigest(self) -> str:
        """Of everything, lower-case hex."""
        return self._state.hexdigest()

    def at(self, position: int) -> str:
        """Of the bytes before the end of a text, which was noted and not forgotten since."""
        self.forget_before(position)
        if not self._recent or not self._recent[0].start <= position:
            if position != self.position:
                raise ValueError(f"no text ended at byte {position} not long ago")
            return self.hexdigest()
        start, before, data = self._recent[0]
        state = before.copy()
        state.update(memoryview(data)[: position - start])
        return state.hexdigest()

    def forget_before(self, position: int) -> None:
        """Free what is needed only for positions before this one."""
        while self._recent and self._recent[0].end < position:
            self._recent.popleft()

    def _cut_newest(self) -> None:
        """Keep of the newest stretch only what texts end in: much may have been left out."""
        if self._newest_is_whole and self._recent:
            if self._first < 0:
                self._recent.pop()
            else:  # in one step: another thread may ask for a position in it
                self._recent[-1] = self._recent[-1].cut(self._first, self._last)
        self._newest_is_whole, self._first, self._last = False, -1, -1
