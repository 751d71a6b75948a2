"""An open input, whatever its format: its texts, and how to resume them later."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import BinaryIO, NamedTuple, Protocol

import xxhash

from llama_cli.errors import InputError, InputReadError
from llama_cli.inputs.carried import attach_carried
from llama_cli.inputs.detect import Description
from llama_cli.inputs.readers.delimited import read_csv
from llama_cli.inputs.readers.json_lines import read_json
from llama_cli.inputs.readers.lines import LineReader
from llama_cli.inputs.readers.tables import Table, open_table, read_table, translated
from llama_cli.inputs.readers.text import read_texts
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.skips import SourceSkips
from llama_cli.inputs.stream import CHUNK, ByteStream
from llama_cli.records import TextRecord


class Fingerprint(NamedTuple):
    """What an input was, as it was read."""

    bytes: int
    xxh3_128: str
    """Empty of a remote table that has a version: it is not downloaded for this."""
    version: str = ""
    """Of a remote input, where its server says it."""


class OpenInput(NamedTuple):
    """An input's file, and its content."""

    file: BinaryIO
    stream: ByteStream


class Source(Protocol):
    """The texts of an open input."""

    def records(self) -> Iterator[TextRecord]:
        """The texts from here on; `bytes_read` follows them."""
        ...

    def bytes_read(self, record: TextRecord) -> int:
        """Bytes of the input, packed as it is, up to a text or somewhat more."""
        ...

    def resume_after(self, position: int, digest: str) -> None:
        """Continue behind a text that an earlier process has read.

        Raises:
            InputError: the input is not what it was then.
        """
        ...

    def digest_at(self, position: int) -> str:
        """What `resume_after` needs to know the input again, at a text not passed yet."""
        ...

    def passed(self, position: int) -> None:
        """Take note that no digest of an earlier position will be asked for."""
        ...

    def fingerprint(self) -> Fingerprint:
        """Of the input itself, once all its texts have been read."""
        ...

    def fingerprint_at(self, position: int) -> Fingerprint:
        """Of as much as has been used, where the rest is not read."""
        ...


class StreamSource:
    """An input that is read from start to end: text, JSON Lines, CSV."""

    def __init__(
        self,
        file: BinaryIO,
        stream: ByteStream,
        read: Callable[[LineReader], Iterator[TextRecord]],
        version: str = "",
    ) -> None:
        """Read texts from a stream; a version stands for all its bytes where there is one."""
        self._file = file
        self._version = version
        self._stream = stream
        self._lines = LineReader(stream)
        self._read = read

    def records(self) -> Iterator[TextRecord]:
        """The texts from here on."""
        return self._read(self._lines)

    def bytes_read(self, record: TextRecord) -> int:
        """The text's own end, or where unpacking it had come to."""
        return record.offset if self._stream.compression is None else self._stream.bytes_read

    def resume_after(self, position: int, digest: str) -> None:
        """Continue at a position in the unpacked content, all of which before it is read again."""
        self._lines.resume_after(position, digest)

    def digest_at(self, position: int) -> str:
        """xxh3_128 of the unpacked content before the position."""
        return self._lines.digest_at(position)

    def passed(self, position: int) -> None:
        """Forget what is needed for positions before this one."""
        self._lines.passed(position)

    def fingerprint(self) -> Fingerprint:
        """Size and xxh3_128 of the input as it is, packed or not, as far as it was read."""
        packed = self._stream.packed_digest()
        if packed is None:
            return Fingerprint(self._lines.position, self._lines.digest)
        return Fingerprint(self._stream.bytes_read, packed)

    def fingerprint_at(self, position: int) -> Fingerprint:
        """Size and xxh3_128 of the input before the position.

        Of all of it where it is packed, and of what was read of it where it comes through a pipe or
        from a server.
        """
        if self._stream.compression is None:
            return Fingerprint(position, self.digest_at(position))
        if self._version:  # of a server, from which the rest would have to be downloaded
            return Fingerprint(self._stream.bytes_read, "", self._version)
        if not isinstance(self._file, io.FileIO) or not self._file.seekable():
            return self.fingerprint()
        return _fingerprint(self._file, self._stream.name)


class TableSource:
    """An input whose rows can be found by number: Parquet, Arrow."""

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        table: Table,
        read: Callable[[Table, int], Iterator[TextRecord]],
        version: str = "",
    ) -> None:
        """Read texts from a table.

        Args:
            file: the input, open.
            name: its name, for messages.
            table: what is in it.
            read: the texts of a table from a row on, counted from 0.
            version: what stands for all its bytes; empty where only they do.
        """
        self._file = file
        self._version = version
        self._name = name
        self._table: Table | None = table
        self._rows = table.count_rows()
        self._read = read
        self._first = 0
        self._size = file.seek(0, io.SEEK_END)

    @cached_property
    def _fingerprint(self) -> Fingerprint:
        """Of all its bytes, read for this alone: rows are everywhere in the file.

        Of the file that is open, whatever has its name by now. A version stands for all bytes.
        """
        if self._version:
            return Fingerprint(self._size, "", self._version)
        return _fingerprint(self._file, self._name)

    def records(self) -> Iterator[TextRecord]:
        """The texts from here on."""
        if self._table is not None:
            yield from self._read(self._table, self._first)

    def bytes_read(self, record: TextRecord) -> int:
        """As if all rows were of the same size."""
        return self._size * record.offset // self._rows if self._rows else self._size

    def resume_after(self, position: int, digest: str) -> None:
        """Continue behind so many rows."""
        if digest != self._fingerprint.xxh3_128:
            raise InputError(
                f"{self._name}: is not the file that the unfinished run has read",
                hint="restore it, or discard that run with --restart",
            )
        self._first = position

    def digest_at(self, position: int) -> str:  # noqa: ARG002 - the same everywhere
        """xxh3_128 of all the file."""
        return self._fingerprint.xxh3_128

    def passed(self, position: int) -> None:
        """Nothing is kept."""

    def fingerprint(self) -> Fingerprint:
        """Size and xxh3_128 of the file, which is let go."""
        self._table = None
        return self._fingerprint

    def fingerprint_at(self, position: int) -> Fingerprint:  # noqa: ARG002 - the same everywhere
        """Size and xxh3_128 of all the file."""
        return self._fingerprint


def fingerprint_file(file: Input, most: int = sys.maxsize) -> Fingerprint:
    """Size and digest of a file, or of its first bytes.

    Raises:
        InputError: it cannot be opened.
        InputReadError: the system refused to read on.
    """
    with file.open() as raw:
        return _fingerprint(raw, file.name, most)


def _fingerprint(raw: BinaryIO, name: str, most: int = sys.maxsize) -> Fingerprint:
    """Of an open file, whose position stays what it is."""
    digest, size = xxhash.xxh3_128(), 0
    try:
        while chunk := _read_at(raw, min(CHUNK, most - size), size):
            digest.update(chunk)
            size += len(chunk)
    except OSError as error:
        raise InputReadError(f"{name}: cannot read: {error.strerror}") from error
    return Fingerprint(size, digest.hexdigest())


def _read_at(raw: BinaryIO, size: int, position: int) -> bytes:
    """Some bytes of a file; the position of one on this machine stays, as another thread reads."""
    if isinstance(raw, io.FileIO):
        return os.pread(raw.fileno(), size, position)
    raw.seek(position)
    return raw.read(size)


def open_source(
    file: Input, opened: OpenInput, found: Description, skips: SourceSkips, most: int | None
) -> Source:
    """The texts of an input that was looked at before.

    Args:
        file: the input.
        opened: the same, of which nothing has been read.
        found: what was found when it was looked at.
        skips: takes note of rows that are left out.
        most: texts that are wanted, beyond which none need be read; None for all.

    Raises:
        InputError: it is not what it was.
        InputReadError: the system refused.
    """
    columns, kind, dialect = found.columns, found.format, found.dialect
    if columns is None:
        return StreamSource(*opened, partial(read_texts, skips=skips), file.version)

    def read_rows(lines: LineReader) -> Iterator[TextRecord]:
        if dialect is None:
            rows = read_json(lines, columns, skips)
        else:
            rows = read_csv(lines, columns, dialect, skips)
        return attach_carried(rows, columns.schema, skips, most)

    def read_part(table: Table, first: int) -> Iterator[TextRecord]:
        with translated(file.name, kind.name):
            yield from read_table(table, columns, first, skips)

    if kind.compressible:
        return StreamSource(*opened, read_rows, file.version)
    table = open_table(opened.file, file.name, kind.name)
    return TableSource(opened.file, file.name, table, read_part, file.version)
