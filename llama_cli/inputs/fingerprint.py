"""What an input was when it was read: its digest, by which it is known again."""

from __future__ import annotations

import collections
import io
import os
import sys
from typing import BinaryIO, NamedTuple

import xxhash

from llama_cli.errors import InputReadError
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.stream import CHUNK


class Fingerprint(NamedTuple):
    """What an input was, as it was read."""

    bytes: int
    xxh3_128: str
    """Empty of a remote table that has a version: it is not downloaded for this."""
    version: str = ""
    """Of a remote input, where its server says it."""


def fingerprint_file(file: Input, most: int = sys.maxsize) -> Fingerprint:
    """Size and digest of a file, or of its first bytes.

    Raises:
        InputError: it cannot be opened.
        InputReadError: the system refused to read on.
    """
    with file.open() as raw:
        return fingerprint_open(raw, file.name, most)


def fingerprint_open(raw: BinaryIO, name: str, most: int = sys.maxsize) -> Fingerprint:
    """Size and digest of an open file; where it is read from next stays what it was.

    Raises:
        InputReadError: the system refused to read on.
    """
    digest, size = xxhash.xxh3_128(), 0
    try:
        while chunk := _read_at(raw, min(CHUNK, most - size), size):
            digest.update(chunk)
            size += len(chunk)
    except OSError as error:
        raise InputReadError(f"{name}: cannot read: {error.strerror}") from error
    return Fingerprint(size, digest.hexdigest())


def _read_at(raw: BinaryIO, size: int, offset: int) -> bytes:
    if isinstance(raw, io.FileIO):  # without moving in it: another thread reads on
        return os.pread(raw.fileno(), size, offset)
    raw.seek(offset)
    return raw.read(size)


class _Chunk(NamedTuple):
    """Bytes in which texts end, and the digest of all before them."""

    start: int
    before: xxhash.xxh3_128
    data: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    def narrowed(self, first: int, last: int) -> _Chunk:
        """Only what is between two offsets in it."""
        before = self.before.copy()
        before.update(memoryview(self.data)[: first - self.start])
        return _Chunk(first, before, self.data[first - self.start : last - self.start])


class InputDigest:
    """xxh3_128 of what was read, now and as it was at the end of a text read some time ago.

    Reading runs ahead of the rows that are committed. One thread may read on while another asks.
    """

    def __init__(self, *, at_lines: bool = True) -> None:
        """Begin before the first byte.

        Args:
            at_lines: whether texts end at the ends of lines only, which saves memory.
        """
        self.offset = 0
        self._at_lines = at_lines
        self._state = xxhash.xxh3_128()
        # Only those in which texts end: no other offset is ever asked for.
        self._recent: collections.deque[_Chunk] = collections.deque()
        self._newest_is_whole = False
        self._first = self._last = -1  # ends of the first and last text noted in it

    def update(self, data: bytes) -> None:
        """Add what was read next. All texts that end in what came before must have been noted."""
        self._narrow_newest()
        if not self._at_lines or b"\n" in data:  # not in the middle of a huge line
            self._recent.append(_Chunk(self.offset, self._state.copy(), data))
            self._newest_is_whole = True
        self._state.update(data)
        self.offset += len(data)

    def note_end(self, offset: int) -> None:
        """Take note that a text ends here, in what was read last."""
        if self._first < 0:
            self._first = offset
        self._last = offset

    def hexdigest(self) -> str:
        """Of everything, lower-case hex."""
        return self._state.hexdigest()

    def at(self, offset: int) -> str:
        """Of the bytes before the end of a text, which was noted and not forgotten since."""
        self.forget_before(offset)
        if not self._recent or not self._recent[0].start <= offset:
            if offset != self.offset:
                raise ValueError(f"no text ended at byte {offset} not long ago")
            return self.hexdigest()
        start, before, data = self._recent[0]
        state = before.copy()
        state.update(memoryview(data)[: offset - start])
        return state.hexdigest()

    def forget_before(self, offset: int) -> None:
        """Free what is needed only for offsets before this one."""
        while self._recent and self._recent[0].end < offset:
            self._recent.popleft()

    def _narrow_newest(self) -> None:
        """Keep of the newest chunk only what texts end in: many rows may have been left out."""
        if self._newest_is_whole and self._recent:
            if self._first < 0:
                self._recent.pop()
            else:  # in one step: another thread may ask for an offset in it
                self._recent[-1] = self._recent[-1].narrowed(self._first, self._last)
        self._newest_is_whole, self._first, self._last = False, -1, -1
