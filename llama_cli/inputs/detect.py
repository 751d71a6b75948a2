"""Looking at an input before its texts are read: its format, and which of its columns are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from llama_cli.errors import InputError
from llama_cli.inputs.columns import (
    TEXT_COLUMN,
    Columns,
    choose_kept,
    choose_text_column,
    refuse_twins,
)
from llama_cli.inputs.formats import JSON, TEXT, TSV, Format, find_format, refuse_binary
from llama_cli.inputs.options import EVERY_COLUMN, ReadOptions
from llama_cli.inputs.readers.delimited import (
    TAB,
    Dialect,
    columns_with_text,
    is_sample,
    read_dialect,
)
from llama_cli.inputs.readers.json_lines import find_types, first_object, sample_columns
from llama_cli.inputs.readers.lines import LineReader
from llama_cli.inputs.readers.tables import open_table, text_columns
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.stream import CHUNK, ByteStream


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of an input before it is read.

    Attributes:
        format: its format.
        columns: which columns are used; None where it has none.
        dialect: of CSV.
    """

    format: Format
    columns: Columns | None = None
    dialect: Dialect | None = None

    @property
    def way_of_reading(self) -> str:
        """Its format, the column with the texts and those kept, in a word."""
        if self.columns is None:
            return self.format.name
        pairs = zip(self.columns.carried, self.columns.schema.names, strict=True)
        kept = [f"{old}={new}" for old, new in pairs]
        return " ".join([f"{self.format.name}:{self.columns.text}", *kept])

    def is_like(self, other: Description) -> bool:
        """Whether texts are read in the same way."""
        if self.columns is None or other.columns is None:
            return self.columns is other.columns
        if self.format is JSON:
            return other.format is JSON and self.columns.text == other.columns.text
        return self == other

    def with_columns(self, columns: Columns) -> Description:
        """The same with other columns."""
        return Description(self.format, columns, self.dialect)


def describe(
    file: Input, stream: ByteStream, options: ReadOptions, taken: Sequence[str]
) -> Description:
    """Look at an open input.

    Args:
        file: the input.
        stream: its content, of which nothing has been read; nothing will have been after this.
        options: what the user chose.
        taken: names of the output's own columns.

    Raises:
        InputError: it does not have its format, or not the columns.
        UsageError: a column to be kept would have the name of another.
    """
    head = stream.peek(lambda ahead: b"\n" in ahead or len(ahead) >= CHUNK)
    kind = find_format(file.file_name, head, options.format)
    if not kind.compressible:
        return _describe_table(file, stream, kind, options, taken)
    refuse_binary(head, stream.name)
    if kind is TEXT:
        _refuse_columns(stream.name, options)
        return Description(TEXT)
    if kind is JSON:
        return _describe_json(file, stream, options, taken)
    return _describe_csv(stream, kind, options, taken)


def _refuse_columns(name: str, options: ReadOptions) -> None:
    for option, named in (("column", options.column), ("keep", options.keep)):
        if named:
            raise InputError(
                f"{name}: is plain text and has no columns, so `{option}` has nothing to name",
                hint="say with `format` what it is",
                option=option,
            )


def _describe_table(
    file: Input, stream: ByteStream, kind: Format, options: ReadOptions, taken: Sequence[str]
) -> Description:
    if file.is_regular and not file.has_parts and stream.compression is None:
        raise InputError(
            f"{stream.name}: {kind.name.capitalize()} can only be read from a server that sends "
            "parts of a file and says of which version they are",
            hint="download it first",
        )
    if not file.is_regular or stream.compression is not None:
        raise InputError(
            f"{stream.name}: {kind.name.capitalize()} cannot be read from a pipe or unpacked on "
            "the way",
            hint="write it to a file",
        )
    with file.open() as raw:
        schema = open_table(raw, stream.name, kind.name).schema
    names = text_columns(schema)
    text = choose_text_column(stream.name, schema.names, names, options.column)
    return Description(kind, choose_kept(stream.name, schema, text, options.keep, taken))


def _describe_csv(
    stream: ByteStream, kind: Format, options: ReadOptions, taken: Sequence[str]
) -> Description:
    head = stream.peek(is_sample)
    if not head:
        return Description(TEXT)  # an empty file has no header, and no row that needs one
    dialect = read_dialect(head, stream.name, TAB if kind is TSV else None)
    # A column that is named is taken for texts, whatever the first rows have there.
    with_text = dialect.header
    if options.column is None and TEXT_COLUMN not in dialect.header:
        with_text = columns_with_text(head, dialect)
    text = choose_text_column(stream.name, dialect.header, with_text, options.column)
    refuse_twins(stream.name, dialect.header, [text])
    schema = pa.schema([pa.field(name, pa.string()) for name in dialect.header])
    columns = choose_kept(stream.name, schema, text, options.keep, taken)
    return Description(kind, columns, dialect)


def _describe_json(
    file: Input, stream: ByteStream, options: ReadOptions, taken: Sequence[str]
) -> Description:
    head = stream.peek(first_object())
    if head.lstrip().startswith(b"["):
        raise InputError(
            f"{stream.name}: is one JSON list; an object a line is wanted",
            hint="convert it first: jq -c '.[]' FILE",
        )
    lines = head.split(b"\n")  # the last may be cut, and then is no object
    sample = sample_columns(lines)
    text = options.column or TEXT_COLUMN
    if sample.names:  # else reading the lines tells what they are
        texts = sample.texts
        if options.column is not None:  # texts may come later
            texts = [name for name in sample.names if name not in sample.others]
        elif TEXT_COLUMN in sample.names:  # whatever the first rows have there
            texts = [TEXT_COLUMN]
        text = choose_text_column(stream.name, sample.names, texts, options.column)
    schema = pa.schema([])
    if options.keep:
        named, every = _names_in(options.keep), EVERY_COLUMN in options.keep
        schema = find_types(
            stream.name,
            _all_lines(file) if file.is_regular else lines,
            lambda name: name in named or (every and name != text),
        )
        if not schema.names:
            return Description(JSON, Columns(text))  # nothing that could be kept, or missed
    return Description(JSON, choose_kept(stream.name, schema, text, options.keep, taken))


def _names_in(keep: Sequence[str]) -> set[str]:
    """The columns that choices may be about, with and without their new names."""
    return {*keep, *(word.partition("=")[0] for word in keep)}


def _all_lines(file: Input) -> Iterator[bytes]:
    """All lines of a file, opened once more."""
    with file.open() as raw:
        for line, _ in LineReader(ByteStream(raw, name=file.name, size=None)):
            yield line
