"""All inputs of a run, one after the other: their texts, and how to resume behind any of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from llama_cli.closing import Closing
from llama_cli.errors import InputError
from llama_cli.inputs.carried import merge_types, storable
from llama_cli.inputs.columns import ColumnChoice
from llama_cli.inputs.fingerprint import Fingerprint, fingerprint_file
from llama_cli.inputs.formats import detect_format
from llama_cli.inputs.readers.base import Candidate, Format, Reader
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.skips import SkipLog, SkippedRows
from llama_cli.inputs.stream import ByteStream
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
    """

    format: str | None = None
    column: str | None = None
    keep: tuple[str, ...] = ()
    on_bad_row: OnBadRow = "error"
    limit: int | None = None


class Position(NamedTuple):
    """Where a text is in the inputs, so that a run can resume behind it."""

    input_index: int = 0
    """Number of its input, from 0."""
    line: int = 0
    """Line where it begins, or row of a table, from 1; 0 before the first text."""
    offset: int = 0
    """Where it ends, as `TextRecord` has it."""


START = Position()


class InputSequence(Closing):
    """The inputs in order. One thread reads ahead while another asks. It is a context manager."""

    def __init__(self, files: Sequence[Input], options: ReadOptions) -> None:
        """Open nothing yet.

        Args:
            files: the inputs, at least one.
            options: how they are read.
        """
        self.files = files
        self.skips = SkipLog(skip_bad_rows=options.on_bad_row == "skip")
        self.carried = pa.schema([])
        self._options = options
        self._choice = ColumnChoice(options.column, options.keep)
        self._formats: dict[int, Format] = {}
        self._pipes: dict[int, ByteStream] = {}  # opened, and not yet read
        self._sizes = [file.size() for file in files]
        self._opened: dict[int, ByteStream] = {}
        self._rows = 0
        self._next = 0  # input that is read next
        self._done: dict[int, Fingerprint] = {}  # inputs read to their ends
        self._readers: dict[int, Reader] = {}  # of inputs whose digests may be asked for
        self._noted = 0  # inputs whose fingerprints are in commits
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
        for number, file in enumerate(self.files):
            if number and not file.is_regular and not self._options.keep:
                continue  # its writer may wait for another pipe to be read first
            stream = ByteStream.open(file)
            found = self._detect(number, stream)
            if file.is_regular:
                stream.close()
            else:
                self._pipes[number] = stream
            self._formats[number] = found
            if found.columns is not None:
                self.carried = merge_types(file.name, self.carried, found.columns.schema)
        self.carried = storable(self.carried)

    def resume_after(
        self, place: Position, digest: str, finished: Sequence[Fingerprint], rows: int
    ) -> None:
        """Continue behind a text that an earlier process has read.

        Args:
            place: of that text.
            digest: what `state` had for it.
            finished: what the inputs before were.
            rows: texts up to there.

        Raises:
            InputError: an input is not what it was then.
        """
        for number, before in enumerate(finished):
            if not self._matches(number, before):
                raise InputError(
                    f"{self.files[number].name}: is not what the unfinished run has read",
                    hint="restore it, or discard that run with `restart`",
                )
        self._done = dict(enumerate(finished))
        self._next, self._noted, self._rows = place.input_index, len(finished), rows
        reader = self._reader(place.input_index)
        reader.resume_after(place.offset, digest)
        self._last = place if rows == self._options.limit else None

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
        return enough and all(self._matches(number, before) for number, before in whole)

    def _matches(self, number: int, before: Fingerprint, *, so_far: bool = False) -> bool:
        file, size = self.files[number], self._sizes[number]
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
        for number in range(self._next, len(self.files)):
            if self._rows == self._options.limit:
                return
            reader, rows_before = self._reader(number), self._rows
            for record in reader.records():
                self._rows += 1
                read = read_before + reader.bytes_read(record)
                yield record._replace(input_index=number, bytes_read=read)
                if self._rows == self._options.limit:
                    self._last = Position(number, record.line, record.offset)
                    return
                del record  # a huge text is let go before the next one is read
            version = self.files[number].version
            self._done[number] = reader.fingerprint()._replace(version=version)
            self._opened.pop(number).close()
            if self._rows == rows_before:
                del self._readers[number]  # it has no text to resume behind
            read_before += self._sizes[number] or 0

    def locate(self, input_index: int, line: int) -> str:
        """Where a text is, in words for messages."""
        words = f"{self._formats[input_index].unit} {line}"
        return words if len(self.files) == 1 else f"{self.files[input_index].name}, {words}"

    def passed(self, place: Position) -> None:
        """Take note that no state of an earlier place will be asked for."""
        for number in list(self._readers):  # a copy: another thread adds to it
            if number < place.input_index:
                del self._readers[number]
        self._readers[place.input_index].forget_before(place.offset)

    def state(self, place: Position) -> dict[str, Any]:
        """What a commit has to keep so that `resume_after` can continue behind a text.

        The fingerprints of inputs read to their ends are told once: see `noted`.
        """
        finished = [list(self._done[number]) for number in range(self._noted, place.input_index)]
        return {
            "number": place.input_index,
            "line": place.line,
            "position": place.offset,
            "xxh3_128": self._readers[place.input_index].digest_at(place.offset),
            "finished": finished,
        }

    def noted(self, place: Position) -> None:
        """Take note that the state at a place is safe."""
        self._noted = place.input_index

    def fingerprints(self) -> list[Fingerprint]:
        """What the inputs were that have been read: of the last one as far as texts were taken."""
        known = [self._done[number] for number in sorted(self._done)]
        if self._last is not None:
            number, _, position = self._last
            last = self._readers[number].fingerprint_at(position)
            known.append(last._replace(version=self.files[number].version))
        return known

    def take_rest(self) -> list[SkippedRows]:
        """What was left out behind the last text; nothing where a limit ended the reading."""
        rest = self.skips.take_all()
        return [] if self._last is not None else rest

    def close(self) -> None:
        """Close what is open."""
        for stream in (*self._opened.values(), *self._pipes.values()):
            stream.close()

    def _reader(self, number: int) -> Reader:
        """The reader of an input, which is opened if it is not yet."""
        if number not in self._readers:
            file, limit = self.files[number], self._options.limit
            if pipe := self._pipes.pop(number, None):
                self._opened[number] = stream = pipe
                found = self._formats[number]
            else:
                self._opened[number] = stream = ByteStream.open(file)
                found = self._detect_again(number, stream)
            self._readers[number] = found.aligned(self.carried).open(
                stream,
                file.version,
                self.skips.of_input(number, file.name, found.unit),
                None if limit is None else limit - self._rows,
            )
        return self._readers[number]

    def _detect_again(self, number: int, stream: ByteStream) -> Format:
        """What an input is now that its turn has come, perhaps hours after it was looked at."""
        before = self._formats.get(number)
        now = self._detect(number, stream, before)
        if before is not None and before != now:
            name = self.files[number].name
            raise InputError(f"{name}: has changed since the run began, columns and all")
        self._formats[number] = now
        return now

    def _detect(self, number: int, stream: ByteStream, known: Format | None = None) -> Format:
        candidate = Candidate(self.files[number], stream, self._choice, known)
        return detect_format(candidate, self._options.format)
