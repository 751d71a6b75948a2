"""A text file or a pipe, one text a line."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from llama_cli.errors import InputError, InputReadError
from llama_cli.sources.digest import InputDigest
from llama_cli.sources.formats import LONGEST_MAGIC, refuse_binary
from llama_cli.sources.utf8 import is_blank, repair
from llama_cli.types import TextRecord

MAX_LINE_BYTES = 64 << 20

_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"


class LineSource:
    r"""Texts of an open input, with the counts and the digest of what was read.

    Lines end at ``\n`` only; one ``\r`` before it is dropped, and so is a byte order mark at
    the very start. Everything else is kept exactly.
    """

    def __init__(self, file: BinaryIO, *, name: str, size: int | None) -> None:
        """Read from an open file.

        Args:
            file: opened for reading bytes.
            name: the input's name without its folder.
            size: its size in bytes, or None for a pipe.

        Raises:
            InputError: its first bytes are not those of text.
        """
        self.name = name
        self.size = size
        self.lines = 0
        self._file = file
        self._digest = InputDigest()
        self._head = self._read_head()
        refuse_binary(self._head, name)

    @property
    def bytes_read(self) -> int:
        """How far the input was read."""
        return self._digest.position

    @property
    def digest(self) -> str:
        """xxh3_128 of the bytes read so far, lower-case hex."""
        return self._digest.hexdigest()

    def digest_at(self, position: int) -> str:
        """xxh3_128 of the bytes before the end of a line, the last one passed or a later one."""
        return self._digest.at(position)

    def passed(self, position: int) -> None:
        """Take note that no digest of an earlier position will be asked for."""
        self._digest.forget_before(position)

    def rewind(self) -> None:
        """Read from the start, as if nothing had been read yet."""
        self._seek(0)
        self._digest = InputDigest()
        self.lines = 0
        self._head = self._read_head()

    def is_all(self, size: int, digest: str) -> bool:
        """Whether the input is of that size and has that digest. `rewind` to read it after that."""
        return self.size == size and self._read_prefix(size, digest)

    def _read_prefix(self, size: int, digest: str) -> bool:
        """Read the first ``size`` bytes, and nothing more; whether they have that digest."""
        self._digest = InputDigest()
        self._seek(0)
        while (missing := size - self.bytes_read) and (chunk := self._read(missing)):
            self._digest.update(chunk)
            self.passed(self.bytes_read)
        self._head = b""
        return not missing and self.digest == digest

    def go_on_after(self, position: int, line: int, digest: str) -> None:
        """Continue behind a line that was read by an earlier process.

        Args:
            position: just after that line, in bytes.
            line: its number.
            digest: of everything before the position.

        Raises:
            InputError: the input does not begin like that any more, or cannot be read.
        """
        if not self._read_prefix(position, digest):
            raise InputError(
                f"{self.name}: its first {position} bytes are not what the unfinished run has read",
                hint="restore them, or discard that run with --restart",
            )
        self.lines = line
        self.passed(position)
        self._end_last_line()
        self._head = self._read()

    def _end_last_line(self) -> None:
        """Step over the end of a line that had none when it was the last of the input."""
        self._seek(self.bytes_read - 1)
        seen = self._read(3)
        last, more = seen[:1], seen[1:]
        # A carriage return that was the last byte was dropped as part of the line's end.
        ends = (b"\n",) if last == b"\r" else (b"\n", b"\r\n")
        if last != b"\n" and more and not more.startswith(ends):
            raise InputError(
                f"{self.name}: line {self.lines} is longer than when the unfinished run read it",
                hint="restore it, or discard that run with --restart",
            )
        if last != b"\n":
            self._digest.update(more[: more.find(b"\n") + 1])
        self._seek(self.bytes_read)

    def __iter__(self) -> Iterator[TextRecord]:
        """The texts, blank lines left out.

        Raises:
            InputError: a line is over 64 MiB.
            InputReadError: the system refused.
        """
        for number, (line, end) in enumerate(self._lines(), start=self.lines + 1):
            self.lines = number
            text, repaired = repair(line.removesuffix(b"\r"))
            if not is_blank(text):
                yield TextRecord(text, number, end, repaired)
            del line, text  # a huge line is let go before the next one is read

    def _lines(self) -> Iterator[tuple[bytes, int]]:
        """Raw lines without their ends, each with the position after it."""
        # BytesIO hands out its bytes without a copy, so a huge line is in memory once.
        pending = io.BytesIO()
        number, end = self.lines + 1, self.bytes_read
        for chunk in self._chunks():
            first, *rest = chunk.split(b"\n")
            pending.write(first)
            if pending.tell() > MAX_LINE_BYTES:
                raise InputError(
                    f"{self.name}: line {number} is over {MAX_LINE_BYTES >> 20} MiB",
                    hint="split it into shorter lines",
                )
            for part in rest:
                line = pending.getvalue()
                end += len(line) + 1
                pending = io.BytesIO(part)
                pending.seek(0, io.SEEK_END)
                yield _without_bom(line, number), end
                del line
                number += 1
        if last := pending.getvalue():
            yield _without_bom(last, number), end + len(last)

    def _chunks(self) -> Iterator[bytes]:
        chunk = self._head
        while chunk:
            self._digest.update(chunk)
            yield chunk
            chunk = self._read()

    def _read_head(self) -> bytes:
        """Enough of the start to know the format; a pipe may give a byte at a time."""
        head = b""
        while len(head) < LONGEST_MAGIC and (chunk := self._read()):
            head += chunk
        return head

    def _read(self, most: int = sys.maxsize) -> bytes:
        try:
            data = self._file.read(min(most, _CHUNK))
        except OSError as error:
            raise InputReadError(f"{self.name}: cannot read: {error.strerror}") from error
        if data is None:  # not the end: a descriptor that does not wait
            raise InputReadError(f"{self.name}: cannot read: it is set not to wait for data")
        return data

    def _seek(self, position: int) -> None:
        try:
            self._file.seek(position)
        except OSError as error:
            raise InputReadError(f"{self.name}: cannot read: {error.strerror}") from error


def _without_bom(line: bytes, number: int) -> bytes:
    return line.removeprefix(_BOM) if number == 1 else line


@contextlib.contextmanager
def open_lines(path: Path) -> Iterator[LineSource]:
    """Open a text file or a pipe.

    Raises:
        InputError: it is missing, a folder, may not be read, or is not text.
    """
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder, not a text file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot open: {error.strerror}") from error
    with file:
        status = os.fstat(file.fileno())
        regular = stat.S_ISREG(status.st_mode)
        yield LineSource(
            file, name=path.name if regular else "pipe", size=status.st_size if regular else None
        )
