"""What a format of inputs has to say and do, and what reading an input in it gives."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol, Self

import pyarrow as pa

from llama_cli.errors import UsageError
from llama_cli.inputs.columns import ColumnChoice, Columns
from llama_cli.inputs.fingerprint import Fingerprint
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.skips import InputSkips
from llama_cli.inputs.stream import ByteStream
from llama_cli.records import TextRecord

Quoting = Literal["auto", "csv", "none"]


@dataclass(frozen=True, slots=True)
class RowOptions:
    """What the user says of the rows of CSV and TSV.

    Attributes:
        delimiter: the character between fields, or None to go by the header.
        quoting: whether quotes enclose fields (``csv``), are text (``none``), or enclose them
            unless that is in doubt (``auto``).
        no_header: whether the first row has values already, and no names of columns.

    Raises:
        UsageError: no such delimiter can be.
    """

    delimiter: str | None = None
    quoting: Quoting = "auto"
    no_header: bool = False

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise UsageError(
                "`delimiter` has to be one character, and neither a quote nor the end of a line",
                option="delimiter",
            )


class Candidate(NamedTuple):
    """An open input whose format and columns are to be found out."""

    file: Input
    stream: ByteStream
    """Its content, of which nothing has been read; nothing will have been afterwards."""
    choice: ColumnChoice
    known: Format | None = None
    """What was found out earlier in this run. Types need not be found again."""
    limit: int | None = None
    """Texts after which no more are read."""
    rows: RowOptions = RowOptions()


@dataclass(frozen=True)
class Format(abc.ABC):
    """A format that inputs may have, and as an instance: the format that one input has.

    Attributes:
        name: what `ReadOptions.format` calls it.
        suffixes: of names of such files.
        magics: how their content may begin.
        streamed: whether it is read from start to end, so that it may be compressed or come through
            a pipe.
        unit: what is counted to name a text: lines or rows.
        documented_rows: what one text is in, for the documentation.
        documented_columns: where its columns come from, likewise; empty where it has none.
        columns: which columns of the input are read; None where it has none.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    magics: ClassVar[tuple[bytes, ...]] = ()
    streamed: ClassVar[bool]
    unit: ClassVar[str]
    documented_rows: ClassVar[str]
    documented_columns: ClassVar[str] = ""

    columns: Columns | None

    @classmethod
    @abc.abstractmethod
    def detect(cls, candidate: Candidate) -> Format:
        """Find out about an input that is in this format by its name or first bytes.

        Raises:
            InputError: it is not, or does not have the columns.
            UsageError: a carried column would have the name of another.
        """

    @abc.abstractmethod
    def open(self, stream: ByteStream, version: str, skips: InputSkips, most: int | None) -> Reader:
        """The texts of the input.

        Args:
            stream: its content, of which nothing has been read.
            version: stands for all its bytes; empty where only they do.
            skips: takes note of rows that are left out.
            most: texts that are wanted, beyond which none need be read; None for all.

        Raises:
            InputError: it is not what it was.
            InputReadError: the system refused.
        """

    @property
    def key(self) -> str:
        """The format, the column with the texts and those carried through, in a word."""
        if self.columns is None:
            return self.name
        pairs = zip(self.columns.carried, self.columns.schema.names, strict=True)
        carried = [f"{old or new}={new}" for old, new in pairs]
        return " ".join([f"{self.name}:{self.columns.text}", *carried])

    def aligned(self, schema: pa.Schema) -> Self:
        """The same, for an output that carries these columns."""
        if self.columns is None:
            return self
        return dataclasses.replace(self, columns=self.columns.aligned(schema))


class Reader(Protocol):
    """The texts of an open input, whatever its format, and how to resume behind any of them."""

    def records(self) -> Iterator[TextRecord]:
        """The texts from here on; `bytes_read` follows them."""
        ...

    def bytes_read(self, record: TextRecord) -> int:
        """Bytes of the input, compressed as it is, up to a text or somewhat more."""
        ...

    def resume_after(self, line: int, offset: int, digest: str) -> None:
        """Continue behind a text that an earlier process has read.

        Args:
            line: number of its line or row.
            offset: where that text ends.
            digest: what `digest_at` gave for it.

        Raises:
            InputError: the input is not what it was then.
        """
        ...

    def digest_at(self, offset: int) -> str:
        """What `resume_after` needs to know the input again, at a text not forgotten yet."""
        ...

    def forget_before(self, offset: int) -> None:
        """Free what is needed only for the digests of earlier offsets."""
        ...

    def fingerprint(self) -> Fingerprint:
        """Of the input itself, once all its texts have been read."""
        ...

    def fingerprint_at(self, offset: int) -> Fingerprint:
        """Of as much as has been used, where the rest is not read."""
        ...
