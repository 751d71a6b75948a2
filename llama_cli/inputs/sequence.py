"""All inputs of a run, one after the other: their texts, and how to resume them later."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from llama_cli.closing import Closing
from llama_cli.errors import InputError
from llama_cli.inputs.columns import merge_types, storable
from llama_cli.inputs.detect import Description, describe
from llama_cli.inputs.formats import JSON
from llama_cli.inputs.options import ReadOptions
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.skips import SkipLog, SkippedRows
from llama_cli.inputs.source import (
    Fingerprint,
    OpenInput,
    Source,
    fingerprint_file,
    open_source,
)
from llama_cli.inputs.stream import ByteStream
from llama_cli.records import TextRecord


class Position(NamedTuple):
    """A text in the inputs: where a run can resume behind it."""

    input_index: int = 0
    """Number of its input, from 0."""
    line: int = 0
    """Its line, or row of a table, from 1; 0 before the first text."""
    offset: int = 0
    """Just after it, as the input counts."""


START = Position()


class InputSequence(Closing):
    """The inputs in order. One thread reads ahead while another asks. It is a context manager."""

    def __init__(self, files: Sequence[Input], options: ReadOptions) -> None:
        """Nothing is opened yet.

        Args:
            files: the inputs, at least one.
            options: what the user chose.
        """
        self.files = files
        self.skips = SkipLog(skip_bad_rows=options.skip_bad_rows)
        self.carried = pa.schema([])
        self._options = options
        self._taken: Sequence[str] = ()
        self._found: dict[int, Description] = {}
        self._pipes: dict[int, OpenInput] = {}
        self._sizes = [file.size() for file in files]
        self._opened: dict[int, OpenInput] = {}
        self._rows = 0
        self._next = 0  # input that is read next
        self._done: dict[int, Fingerprint] = {}  # inputs read to their ends
        self._sources: dict[int, Source] = {}  # inputs whose digests may be asked for
        self._noted = 0  # inputs whose fingerprints are in commits
        self._last: Position | None = None  # the text at which a limit was reached

    @property
    def size(self) -> int | None:
        """Bytes of all inputs, packed as they are; None where there is a pipe."""
        return None if None in self._sizes else sum(size or 0 for size in self._sizes)

    @property
    def ways_of_reading(self) -> list[str]:
        """Formats of the inputs and their columns with texts, each pair once."""
        return sorted({found.way_of_reading for found in self._found.values()})

    def look(self, taken: Sequence[str]) -> None:
        """Find out the format of each input and which of its columns are used.

        Args:
            taken: names of the output's own columns.

        Raises:
            InputError: an input does not have its format, or not the columns.
            UsageError: a column to be kept would have the name of another.
        """
        self._taken = taken
        for number, file in enumerate(self.files):
            if number and not file.is_regular and not self._options.keep:
                continue  # its writer may wait for another pipe to be read first
            opened = self._open(number)
            found = describe(file, opened.stream, self._options, taken)
            if file.is_regular:
                opened.file.close()
            else:
                self._pipes[number] = opened
            self._found[number] = found
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
            if not self._is(number, before):
                raise InputError(
                    f"{self.files[number].name}: is not what the unfinished run has read",
                    hint="restore it, or discard that run with --restart",
                )
        self._done = dict(enumerate(finished))
        self._next, self._noted, self._rows = place.input_index, len(finished), rows
        source = self._source(place.input_index)
        source.resume_after(place.offset, digest)
        self._last = place if rows == self._options.limit else None

    def are(self, inputs: Sequence[Fingerprint]) -> bool:
        """Whether the inputs are, byte for byte, those with these fingerprints.

        Where there is a limit, as far as they have been read.
        """
        *whole, last = enumerate(inputs)
        if self._options.limit is None:
            whole.append(last)
        elif not self._is(*last, so_far=True):
            return False
        enough = self._options.limit is not None or len(inputs) == len(self.files)
        return enough and all(self._is(number, before) for number, before in whole)

    def _is(self, number: int, before: Fingerprint, *, so_far: bool = False) -> bool:
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
            source, rows_before = self._source(number), self._rows
            for record in source.records():
                self._rows += 1
                read = read_before + source.bytes_read(record)
                yield record._replace(input_index=number, bytes_read=read)
                if self._rows == self._options.limit:
                    self._last = Position(number, record.line, record.offset)
                    return
                del record  # a huge text is let go before the next one is read
            version = self.files[number].version
            self._done[number] = source.fingerprint()._replace(version=version)
            self._opened.pop(number).file.close()
            if self._rows == rows_before:
                del self._sources[number]  # no place in it is ever asked for
            read_before += self._sizes[number] or 0

    def locate(self, source: int, line: int) -> str:
        """Words for a text's place, for messages."""
        unit = "line" if self._found[source].format.compressible else "row"
        place = f"{unit} {line}"
        return place if len(self.files) == 1 else f"{self.files[source].name}, {place}"

    def passed(self, place: Position) -> None:
        """Take note that no state of an earlier place will be asked for."""
        for number in list(self._sources):  # a copy: another thread adds to it
            if number < place.input_index:
                del self._sources[number]
        self._sources[place.input_index].passed(place.offset)

    def state(self, place: Position) -> dict[str, Any]:
        """What a commit has to keep so that `resume_after` can continue behind a text.

        The fingerprints of inputs read to their ends are told once: see `noted`.
        """
        finished = [list(self._done[number]) for number in range(self._noted, place.input_index)]
        return {
            "number": place.input_index,
            "line": place.line,
            "position": place.offset,
            "xxh3_128": self._sources[place.input_index].digest_at(place.offset),
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
            last = self._sources[number].fingerprint_at(position)
            known.append(last._replace(version=self.files[number].version))
        return known

    def take_rest(self) -> list[SkippedRows]:
        """What was left out behind the last text; nothing where a limit ended the reading."""
        rest = self.skips.take_all()
        return [] if self._last is not None else rest

    def close(self) -> None:
        """Close what is open."""
        for opened in (*self._opened.values(), *self._pipes.values()):
            opened.file.close()

    def _source(self, number: int) -> Source:
        """The open input, opened if it is not yet."""
        if number not in self._sources:
            pipe = self._pipes.pop(number, None)
            opened = pipe or self._open(number)
            self._opened[number] = opened
            found = self._found[number] if pipe else self._look_again(number, opened)
            if found.columns is not None:
                found = found.with_columns(found.columns.aligned(self.carried))
            unit = "line" if found.format.compressible else "row"
            skips = self.skips.of_source(number, self.files[number].name, unit)
            limit = self._options.limit
            most = None if limit is None else limit - self._rows
            self._sources[number] = open_source(self.files[number], opened, found, skips, most)
        return self._sources[number]

    def _look_again(self, number: int, opened: OpenInput) -> Description:
        """What an input is now that its turn has come, perhaps hours after the first look."""
        file, before = self.files[number], self._found.get(number)
        options = self._options
        if before is not None and before.format is JSON:  # all of it would be read for its types
            options = dataclasses.replace(options, keep=())
        now = describe(file, opened.stream, options, self._taken)
        if before is not None and not before.is_like(now):
            raise InputError(f"{file.name}: has changed since the run began, columns and all")
        return self._found.setdefault(number, now)

    def _open(self, number: int) -> OpenInput:
        file = self.files[number].open()
        try:
            stream = ByteStream(file, name=self.files[number].name, size=self._sizes[number])
        except BaseException:
            file.close()
            raise
        return OpenInput(file, stream)
