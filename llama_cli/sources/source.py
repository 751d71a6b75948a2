"""An open input, whatever its format: its texts, and how to go on with them later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import BinaryIO, NamedTuple, Protocol

import xxhash

from llama_cli.errors import InputError, InputReadError
from llama_cli.sources.delimited import read_csv
from llama_cli.sources.describe import Description
from llama_cli.sources.inputs import Input
from llama_cli.sources.json_lines import read_json
from llama_cli.sources.lines import LineReader
from llama_cli.sources.skips import SourceSkips
from llama_cli.sources.stream import CHUNK, ByteStream
from llama_cli.sources.tables import open_table, read_table, translated
from llama_cli.sources.text import read_texts
from llama_cli.types import TextRecord


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

    def go_on_after(self, position: int, digest: str) -> None:
        """Continue behind a text that an earlier process has read.

        Raises:
            InputError: the input is not what it was then.
        """
        ...

    def digest_at(self, position: int) -> str:
        """What `go_on_after` needs to know the input again, at a text not passed yet."""
        ...

    def passed(self, position: int) -> None:
        """Take note that no digest of an earlier position will be asked for."""
        ...

    def fingerprint(self) -> Fingerprint:
        """Of the input itself, once all its texts have been read."""
        ...


class StreamSource:
    """An input that is read from start to end: text, JSON Lines, CSV."""

    def __init__(
        self, stream: ByteStream, read: Callable[[LineReader], Iterator[TextRecord]]
    ) -> None:
        """Read texts from a stream."""
        self._stream = stream
        self._lines = LineReader(stream)
        self._read = read

    def records(self) -> Iterator[TextRecord]:
        """The texts from here on."""
        return self._read(self._lines)

    def bytes_read(self, record: TextRecord) -> int:
        """The text's own end, or where unpacking it had come to."""
        return record.end if self._stream.compression is None else self._stream.bytes_read

    def go_on_after(self, position: int, digest: str) -> None:
        """Continue at a position in the unpacked content, all of which before it is read again."""
        self._lines.go_on_after(position, digest)

    def digest_at(self, position: int) -> str:
        """xxh3_128 of the unpacked content before the position."""
        return self._lines.digest_at(position)

    def passed(self, position: int) -> None:
        """Forget what is needed for positions before this one."""
        self._lines.passed(position)

    def fingerprint(self) -> Fingerprint:
        """Size and xxh3_128 of the input as it is, packed or not."""
        packed = self._stream.packed_digest()
        if packed is None:
            return Fingerprint(self._lines.position, self._lines.digest)
        return Fingerprint(self._stream.bytes_read, packed)


class TableSource:
    """An input whose rows can be found by number: Parquet, Arrow."""

    def __init__(
        self, file: Input, rows: int | None, read: Callable[[int], Iterator[TextRecord]]
    ) -> None:
        """Read texts from a table.

        Args:
            file: the input.
            rows: how many it has, if that is known.
            read: its texts from a row on, counted from 0.
        """
        self._file = file
        self._rows = rows
        self._read = read
        self._first = 0
        self._size = file.size() or 0

    @cached_property
    def _fingerprint(self) -> Fingerprint:
        """Of all its bytes, read for this alone: rows are everywhere in the file."""
        if self._file.version:
            return Fingerprint(self._size, "", self._file.version)
        return fingerprint_file(self._file)

    def records(self) -> Iterator[TextRecord]:
        """The texts from here on."""
        return self._read(self._first)

    def bytes_read(self, record: TextRecord) -> int:
        """As if all rows were of the same size."""
        return self._size * record.end // self._rows if self._rows else self._size

    def go_on_after(self, position: int, digest: str) -> None:
        """Continue behind so many rows."""
        if digest != self._fingerprint.xxh3_128:
            raise InputError(
                f"{self._file.name}: is not the file that the unfinished run has read",
                hint="restore it, or discard that run with --restart",
            )
        self._first = position

    def digest_at(self, position: int) -> str:  # noqa: ARG002 - the same everywhere
        """xxh3_128 of all the file."""
        return self._fingerprint.xxh3_128

    def passed(self, position: int) -> None:
        """Nothing is kept."""

    def fingerprint(self) -> Fingerprint:
        """Size and xxh3_128 of the file."""
        return self._fingerprint


def fingerprint_file(file: Input) -> Fingerprint:
    """Size and digest of a file.

    Raises:
        InputError: it cannot be opened.
        InputReadError: the system refused to read on.
    """
    digest, size = xxhash.xxh3_128(), 0
    with file.open() as raw:
        try:
            while chunk := raw.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
        except OSError as error:
            raise InputReadError(f"{file.name}: cannot read: {error.strerror}") from error
    return Fingerprint(size, digest.hexdigest())


def open_source(file: Input, opened: OpenInput, found: Description, skips: SourceSkips) -> Source:
    """The texts of an input that was looked at before.

    Args:
        file: the input.
        opened: the same, of which nothing has been read.
        found: what was found when it was looked at.
        skips: takes note of rows that are left out.

    Raises:
        InputError: it is not what it was.
        InputReadError: the system refused.
    """
    columns, kind = found.columns, found.format
    if columns is None:
        return StreamSource(opened.stream, partial(read_texts, skips=skips))
    if found.dialect is not None:
        read = partial(read_csv, columns=columns, dialect=found.dialect, skips=skips)
        return StreamSource(opened.stream, read)
    if kind.compressible:
        return StreamSource(opened.stream, partial(read_json, columns=columns, skips=skips))
    table = open_table(opened.file, file.name, kind.name)

    def read_rows(first: int) -> Iterator[TextRecord]:
        with translated(file.name, kind.name):
            yield from read_table(table, columns, first, skips)

    return TableSource(file, table.count_rows(), read_rows)
