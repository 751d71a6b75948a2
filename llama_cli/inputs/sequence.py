"""All inputs of a run, one after the other: their texts, and how to resume behind any of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pyarrow as pa

from llama_cli.closing import Closing
from llama_cli.errors import InputError
from llama_cli.inputs.carried import merge_types, storable
from llama_cli.inputs.columns import ColumnChoice
from llama_cli.inputs.fingerprint import Fingerprint, fingerprint_file
from llama_cli.inputs.formats import detect_format
from llama_cli.inputs.readers.base import Candidate, Format, Reader, RowOptions
from llama_cli.inputs.resolve import Input, partition_of
from llama_cli.inputs.skips import SkipLog, SkippedRows
from llama_cli.inputs.stream import ByteStream, check_encoding
from llama_cli.records import TextRecord

OnBadRow = Literal["error", "skip"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How the user wants inputs to be read.

    Attributes:
        format: name of the format of all inputs, or None to go by their names and first bytes.
        column: the column with the texts, or None for the obvious one.
        keep: columns to carry through: names, ``name=new``, or ``*`` for all.
        on_bad_row: ``skip`` rows that cannot be used, or raise `BadRowError` (``error``).
        limit: texts after which no more are read, or None.
        rows: how rows of CSV and TSV are written.
        encoding: of text, by a name that Python knows; None for UTF-8.
    """

    format: str | None = None
    column: str | None = None
    keep: tuple[str, ...] = ()
    on_bad_row: OnBadRow = "error"
    limit: int | None = None
    rows: RowOptions = dataclasses.field(default_factory=RowOptions)
    encoding: str | None = None


class Position(NamedTuple):
    """Where a text is in the inputs, so that a run can resume behind it."""

    input_index: int = 0
    """Number of its input, from 0."""
    line: int = 0
    """Line where it begins, or row of a table, from 1; 0 before the first text."""
    offset: int = 0
    """Where it ends, as `TextRecord` has it."""


START = Position()


class InputState(NamedTuple):
    """What must be known of the inputs to resume behind a text."""

    position: Position
    """That text's."""
    digest: str
    """Of its input up to there, or of all of a table."""
    finished: tuple[Fingerprint, ...]
    """The inputs before it."""


class InputSequence(Closing):
    """The inputs in order. One thread reads ahead while another asks. It is a context manager."""

    def __init__(self, files: Sequence[Input], options: ReadOptions) -> None:
        """Open nothing yet.

        Args:
            files: the inputs, at least one.
            options: how they are read.

        Raises:
            UsageError: there is no such encoding.
        """
        self.files = files
        self.skips = SkipLog(skip_bad_rows=options.on_bad_row == "skip")
        self.carried = pa.schema([])
        self._options = options
        self._encoding = check_encoding(options.encoding)
        self._choice = ColumnChoice(options.column, options.keep)
        self._formats: dict[int, Format] = {}
        self._pipes: dict[int, ByteStream] = {}  # opened, and not yet read
        self._sizes = [file.size for file in files]
        self._opened: dict[int, ByteStream] = {}
        self._rows = 0
        self._next = 0  # input that is read next
        self._done: dict[int, Fingerprint] = {}  # inputs read to their ends
        self._readers: dict[int, Reader] = {}  # of inputs whose digests may be asked for
        self._last: Position | None = None  # the text at which a limit was reached

    @property
    def size(self) -> int | None:
        """Bytes of all inputs, compressed as they are; None where there is a pipe."""
        return None if None in self._sizes else sum(size or 0 for size in self._sizes)

    @property
    def formats_and_columns(self) -> list[str]:
        """Formats of the inputs with their columns that are read, each combination once."""
        return sorted({found.key for found in self._formats.values()})

    def detect_formats(self, own_columns: Sequence[str]) -> None:
        """Find out the format of each input and which of its columns are read.

        Args:
            own_columns: names of the output's own columns.

        Raises:
            InputError: an input does not have its format, or not the columns.
            UsageError: a carried column would have the name of another.
        """
        self._choice = dataclasses.replace(self._choice, reserved=own_columns)
        for index, file in enumerate(self.files):
            if index and not file.is_regular and not self._options.keep:
                continue  # its writer may wait for another pipe to be read first
            stream = ByteStream.open(file, self._encoding)
            found = self._detect(index, stream)
            if file.is_regular:
                stream.close()
            else:
                self._pipes[index] = stream
            self._formats[index] = found
            if found.columns is not None:
                self.carried = merge_types(file.name, self.carried, found.columns.schema)
        self.carried = storable(self.carried)

    def resume_after(self, state: InputState, rows: int) -> None:
        """Continue behind a text that an earlier process has read.

        Args:
            state: what `state` returned for it.
            rows: texts up to there.

        Raises:
            InputError: an input is not what it was then.
        """
        position, digest, finished = state
        for index, before in enumerate(finished):
            if not self._matches(index, before):
                raise InputError(
                    f"{self.files[index].name}: is not what the unfinished run has read",
                    hint="restore it, or discard that run with `restart`",
                )
        self._done = dict(enumerate(finished))
        self._next, self._rows = position.input_index, rows
        reader = self._reader(position.input_index)
        reader.resume_after(position.line, position.offset, digest)
        self._last = position if rows == self._options.limit else None

    def match(self, inputs: Sequence[Fingerprint]) -> bool:
        """Whether the inputs are, byte for byte, those with these fingerprints.

        Where there is a limit, as far as they have been read.
        """
        *whole, last = enumerate(inputs)
        if self._options.limit is None:
            whole.append(last)
        elif not self._matches(*last, so_far=True):
            return False
        enough = self._options.limit is not None or len(inputs) == len(self.files)
        return enough and all(self._matches(index, before) for index, before in whole)

    def _matches(self, index: int, before: Fingerprint, *, so_far: bool = False) -> bool:
        file, size = self.files[index], self._sizes[index]
        if file.version and before.version:
            return file.version == before.version
        if so_far:
            return fingerprint_file(file, before.bytes)[:2] == before[:2]
        return size in (None, before.bytes) and fingerprint_file(file)[:2] == before[:2]

    def __iter__(self) -> Iterator[TextRecord]:
        """The texts, blank ones and bad rows left out.

        Raises:
            InputError: an input is damaged, or a row of it cannot be used.
            InputReadError: the system refused.
        """
        read_before = sum(size or 0 for size in self._sizes[: self._next])
        for index in range(self._next, len(self.files)):
            if self._rows == self._options.limit:
                return
            reader, rows_before = self._reader(index), self._rows
            for record in reader.records():
                self._rows += 1
                read = read_before + reader.bytes_read(record)
                # Half as long as `_replace` takes, which every text would pay for.
                text, line, offset, invalid_utf8, *_, carried = record
                yield TextRecord(text, line, offset, invalid_utf8, index, read, carried)
                if self._rows == self._options.limit:
                    self._last = Position(index, record.line, record.offset)
                    return
                del record  # a huge text is let go before the next one is read
            version = self.files[index].version
            self._done[index] = reader.fingerprint()._replace(version=version)
            self._opened.pop(index).close()
            if self._rows == rows_before:
                del self._readers[index]  # it has no text to resume behind
            read_before += self._sizes[index] or 0

    def locate(self, input_index: int, line: int) -> str:
        """Where a text is, in words for messages."""
        words = f"{self._formats[input_index].unit} {line}"
        return words if len(self.files) == 1 else f"{self.files[input_index].name}, {words}"

    def passed(self, position: Position) -> None:
        """Take note that no state of an earlier position will be asked for."""
        for index in list(self._readers):  # a copy: another thread adds to it
            if index < position.input_index:
                del self._readers[index]
        self._readers[position.input_index].forget_before(position.offset)

    def state(self, position: Position) -> InputState:
        """What `resume_after` needs to continue behind a text that was not passed yet."""
        digest = self._readers[position.input_index].digest_at(position.offset)
        finished = tuple(self._done[index] for index in range(position.input_index))
        return InputState(position, digest, finished)

    def fingerprints(self) -> list[Fingerprint]:
        """What the inputs were that have been read: of the last one as far as texts were taken."""
        known = [self._done[index] for index in sorted(self._done)]
        if self._last is not None:
            index, _, offset = self._last
            last = self._readers[index].fingerprint_at(offset)
            known.append(last._replace(version=self.files[index].version))
        return known

    def take_rest(self) -> list[SkippedRows]:
        """What was left out behind the last text; nothing where a limit ended the reading."""
        rest = self.skips.take_all()
        return [] if self._last is not None else rest

    def close(self) -> None:
        for stream in (*self._opened.values(), *self._pipes.values()):
            stream.close()

    def _reader(self, index: int) -> Reader:
        """The reader of an input, which is opened if it is not yet."""
        if index not in self._readers:
            file, limit = self.files[index], self._options.limit
            if pipe := self._pipes.pop(index, None):
                self._opened[index] = stream = pipe
                found = self._formats[index]
            else:
                self._opened[index] = stream = ByteStream.open(file, self._encoding)
                found = self._detect_again(index, stream)
            self._readers[index] = found.aligned(self.carried).open(
                stream,
                file.version,
                self.skips.of_input(index, file.name, found.unit),
                None if limit is None else limit - self._rows,
            )
        return self._readers[index]

    def _detect_again(self, index: int, stream: ByteStream) -> Format:
        """What an input is now that its turn has come, perhaps hours after it was looked at."""
        before = self._formats.get(index)
        now = self._detect(index, stream, before)
        if before is not None and before != now:
            name = self.files[index].name
            raise InputError(f"{name}: has changed since the run began, columns and all")
        self._formats[index] = now
        return now

    def _detect(self, index: int, stream: ByteStream, known: Format | None = None) -> Format:
        options, file = self._options, self.files[index]
        choice = self._choice
        if choice.carried:
            choice = dataclasses.replace(choice, partition=partition_of(file))
        candidate = Candidate(file, stream, choice, known, options.limit, options.rows)
        return detect_format(candidate, self._options.format)
