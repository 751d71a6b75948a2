"""A text file or a pipe, one text a line."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import xxhash

from llama_cli.errors import InputError
from llama_cli.sources.formats import LONGEST_MAGIC, refuse_binary
from llama_cli.sources.utf8 import is_blank, repair
from llama_cli.types import TextRecord

MAX_LINE_BYTES = 64 << 20

_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class LineCounts:
    """What became of the lines read so far.

    Attributes:
        lines: all lines.
        skipped: lines that were empty or only white space.
        repaired: lines in which bytes that are not UTF-8 became U+FFFD.
    """

    lines: int = 0
    skipped: int = 0
    repaired: int = 0


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
        self.bytes_read = 0
        self.counts = LineCounts()
        self._file = file
        self._digest = xxhash.xxh3_128()
        self._head = self._read_head()
        refuse_binary(self._head, name)

    @property
    def digest(self) -> str:
        """xxh3_128 of the bytes read so far, lower-case hex."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[TextRecord]:
        """The texts, blank lines left out.

        Raises:
            InputError: a line is over 64 MiB, or reading fails.
        """
        for number, (line, end) in enumerate(self._lines(), start=1):
            self.counts.lines = number
            text, repaired = repair(line.removesuffix(b"\r"))
            if is_blank(text):
                self.counts.skipped += 1
                continue
            self.counts.repaired += repaired
            yield TextRecord(text, number, end)
            del line, text  # a huge line is let go before the next one is read

    def _lines(self) -> Iterator[tuple[bytes, int]]:
        """Raw lines without their ends, each with the position after it."""
        # BytesIO hands out its bytes without a copy, so a huge line is in memory once.
        pending = io.BytesIO()
        number, end = 1, 0
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
            self.bytes_read += len(chunk)
            self._digest.update(chunk)
            yield chunk
            chunk = self._read()

    def _read_head(self) -> bytes:
        """Enough of the start to know the format; a pipe may give a byte at a time."""
        head = b""
        while len(head) < LONGEST_MAGIC and (chunk := self._read()):
            head += chunk
        return head

    def _read(self) -> bytes:
        try:
            return self._file.read(_CHUNK)
        except OSError as error:
            raise InputError(f"{self.name}: cannot read: {error.strerror}") from error


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
