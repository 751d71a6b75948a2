"""What formats of tables have in common, whose columns have types and whose rows have numbers."""

from __future__ import annotations

import abc
import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, Protocol, Self

import numpy as np
import pyarrow as pa

from llama_cli.errors import InputError
from llama_cli.inputs.carried import plain_array
from llama_cli.inputs.columns import Columns, choose_columns, choose_text_column
from llama_cli.inputs.fingerprint import Fingerprint, fingerprint_open
from llama_cli.inputs.readers.base import Candidate, Format
from llama_cli.inputs.readers.text import is_blank, replace_invalid_utf8
from llama_cli.inputs.skips import InputSkips
from llama_cli.inputs.stream import ByteStream
from llama_cli.records import CarriedRow, TextRecord

BATCH_ROWS = 1024  # that are made into Python's strings at a time
_COPIED_BYTES = 16 << 20  # of texts in a mapped file; larger ones are looked at one by one


class Table(Protocol):
    """An open table."""

    schema: pa.Schema
    rows: int | None
    """In all; None where only reading would tell."""
    mapped: bool
    """Whether batches lie in the file itself, which must not be cut short then."""

    def batches(self, first: int, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches of the named columns, from the one on that holds row ``first``.

        Each comes with the number of its first row, from 0.
        """
        ...


@dataclass(frozen=True)
class TableFormat(Format):
    """A format whose rows can be found by number."""

    streamed = False
    unit = "row"
    documented_columns = "by the schema"

    columns: Columns

    @classmethod
    @abc.abstractmethod
    def open_table(cls, file: BinaryIO) -> Table:
        """Open a table.

        Args:
            file: open for reading bytes, and seekable.

        Raises:
            ArrowException, OSError, ValueError: it is not in this format, or damaged.
        """

    @classmethod
    def detect(cls, candidate: Candidate) -> Self:
        """Read the schema."""
        file, stream, choice, *_ = candidate
        name = stream.name
        if file.is_regular and not file.seekable and stream.compression is None:
            raise InputError(
                f"{name}: {cls.name.capitalize()} can only be read from a server that sends "
                "parts of a file and says of which version they are",
                hint="download it first",
            )
        if not file.is_regular or stream.compression is not None:
            raise InputError(
                f"{name}: {cls.name.capitalize()} cannot be read from a pipe or decompressed on "
                "the way",
                hint="write it to a file",
            )
        with _translated(name, cls.name):
            schema = cls.open_table(stream.file).schema
            _check_names(pa.struct([*schema]))
        text = choose_text_column(name, schema.names, _text_columns(schema), choice.text)
        return cls(choose_columns(name, schema, text, choice))

    def open(
        self,
        stream: ByteStream,
        version: str,
        skips: InputSkips,
        most: int | None,  # noqa: ARG002
    ) -> TableReader:
        return TableReader(self, stream, version, skips)


class TableReader:
    """The texts of an input in a format of tables."""

    def __init__(
        self, table_format: TableFormat, stream: ByteStream, version: str, skips: InputSkips
    ) -> None:
        self._format = table_format
        self._columns = table_format.columns
        self._file = stream.file
        self._name = stream.name
        self._version = version
        self._skips = skips
        self._first = 0
        with _translated(self._name, table_format.name):
            self._table: Table | None = table_format.open_table(stream.file)
        self._rows, self._mapped = self._table.rows, self._table.mapped
        self._size = stream.file.seek(0, io.SEEK_END)

    @cached_property
    def _fingerprint(self) -> Fingerprint:
        """Of all its bytes, read for this alone: rows are everywhere in the file.

        Of the file that is open, whatever has its name by now. A version stands for all bytes.
        """
        if self._version:
            return Fingerprint(self._size, "", self._version)
        return fingerprint_open(self._file, self._name)

    def records(self) -> Iterator[TextRecord]:
        if self._table is None:
            return
        with _translated(self._name, self._format.name):
            for start, batch in self._table.batches(self._first, self._columns.names):
                for offset in range(max(0, self._first - start), batch.num_rows, BATCH_ROWS):
                    yield from self._read_batch(batch.slice(offset, BATCH_ROWS), start + offset)
                self._check_size()

    def _check_size(self) -> None:
        """Look at the file's size: touching what a mapped file no longer has ends the process.

        Raises:
            InputError: someone has cut it short since it was opened.
        """
        if self._mapped and os.fstat(self._file.fileno()).st_size < self._size:
            raise InputError(
                f"{self._name}: was cut short while it was read",
                hint="restore it, or begin anew with `restart` once it is complete",
            )

    def _read_batch(self, batch: pa.RecordBatch, start: int) -> Iterator[TextRecord]:
        columns, skips = self._columns, self._skips
        self._check_size()
        carried = _carried(batch, columns) if columns.carried else None
        if carried is not None and self._mapped:
            carried = carried.take(np.arange(carried.num_rows))  # a copy, for the writer
        # As bytes: Arrow does not check that what a file calls text is UTF-8.
        values = plain_array(batch.column(columns.text)).cast(pa.large_binary())
        in_file = self._mapped and values.nbytes > _COPIED_BYTES
        if self._mapped and not in_file:
            values = values.take(np.arange(len(values)))
        for number, value in enumerate(values):
            if in_file:
                self._check_size()
            row, raw = start + number + 1, value.as_py()
            if raw is None:
                skips.add_bad(row, f"{columns.text} is null")
                continue
            text, invalid_utf8 = replace_invalid_utf8(raw)
            if is_blank(text):
                skips.add_blank(row)
            else:
                values = None if carried is None else CarriedRow(carried, number)
                yield TextRecord(text, row, row, invalid_utf8, carried=values)

    def bytes_read(self, record: TextRecord) -> int:
        """As if all rows were of the same size."""
        return self._size * record.offset // self._rows if self._rows else self._size

    def resume_after(self, line: int, offset: int, digest: str) -> None:  # noqa: ARG002
        if digest != self._fingerprint.xxh3_128:
            raise InputError(
                f"{self._name}: is not the file that the unfinished run has read",
                hint="restore it, or discard that run with `restart`",
            )
        self._first = offset

    def digest_at(self, offset: int) -> str:  # noqa: ARG002 - the same everywhere
        return self._fingerprint.xxh3_128

    def forget_before(self, offset: int) -> None:
        """Do nothing: the digest is that of all the file."""

    def fingerprint(self) -> Fingerprint:
        self._table = None
        return self._fingerprint

    def fingerprint_at(self, offset: int) -> Fingerprint:  # noqa: ARG002 - the same everywhere
        return self._fingerprint


def _text_columns(schema: pa.Schema) -> list[str]:
    """Names of the columns that hold text."""
    return [field.name for field in schema if _is_text(field.type)]


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _check_names(kind: pa.DataType) -> None:
    """See that all names of fields are UTF-8; Arrow does so no sooner than they are asked for.

    Raises:
        UnicodeDecodeError: one is not.
    """
    for number in range(kind.num_fields):
        field = kind.field(number)
        field.name.encode()
        _check_names(field.type)


@contextlib.contextmanager
def _translated(name: str, format_name: str) -> Iterator[None]:
    """Arrow's errors, as errors of the input."""
    kind = "an Arrow" if format_name == "arrow" else f"a {format_name.capitalize()}"
    try:
        yield
    except pa.ArrowNotImplementedError as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{name}: has something that this version of Arrow cannot read: {reason}",
            hint="write it anew without that",
        ) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        if "decrypt" in reason:
            raise InputError(
                f"{name}: is encrypted, or what is to be read of it",
                hint="write it anew without encryption",
            ) from error
        raise InputError(f"{name}: not {kind} file, or a damaged one: {reason}") from error


def _carried(batch: pa.RecordBatch, columns: Columns) -> pa.RecordBatch:
    arrays = []
    carried = zip(columns.carried, columns.schema, columns.defaults, strict=True)
    for name, field, default in carried:
        if name is None:
            arrays.append(pa.repeat(pa.scalar(default, field.type), batch.num_rows))
            continue
        array = batch.column(name)
        try:
            arrays.append(plain_array(array).cast(field.type))
        except pa.ArrowNotImplementedError as error:
            raise InputError(
                f"{name} is {array.type}, which cannot be kept",
                hint="leave that column out of `keep`",
            ) from error
        except pa.ArrowInvalid as error:
            raise InputError(
                f"the values of {name} do not all fit {field.type}, as those of other inputs do",
                hint="leave that column out of `keep`",
            ) from error
        try:
            arrays[-1].validate(full=True)  # Arrow does not check what files call text
        except pa.ArrowInvalid as error:
            raise InputError(
                f"{name} has values that are not what its type says: {error}",
                hint="leave that column out of `keep`",
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=columns.schema)
