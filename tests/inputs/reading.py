"""Reading inputs as the command does, and what came of it in plain values."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from llama_cli.inputs.readers.text import LineReader, PlainText
from llama_cli.inputs.resolve import InputFile, find_inputs
from llama_cli.inputs.sequence import InputSequence, ReadOptions
from llama_cli.inputs.skips import SkipLog, SkippedRows
from llama_cli.inputs.stream import ByteStream
from llama_cli.output.schema import own_columns
from llama_cli.records import TextRecord

OWN = own_columns(line_numbers=False)


class Reading:
    """What the inputs gave."""

    def __init__(self, *words: Path | str, **options: Any) -> None:
        with InputSequence(find_inputs([str(word) for word in words]), _options(options)) as source:
            source.detect_formats(OWN)
            self.records: list[TextRecord] = list(source)
            self.skipped: list[SkippedRows] = source.skips.take_all()
            self.schema = source.carried
            self.fingerprints = source.fingerprints()

    @property
    def texts(self) -> list[str]:
        return [record.text.decode() for record in self.records]

    @property
    def lines_and_texts(self) -> list[tuple[int, str]]:
        return [(record.line, record.text.decode()) for record in self.records]

    @property
    def carried(self) -> list[dict[str, Any]]:
        return [carried_of(record) for record in self.records]

    @property
    def left_out(self) -> list[tuple[int, int, str]]:
        """First and last line, and why."""
        return [(one.first, one.last, one.reason) for one in self.skipped]


def _options(options: dict[str, Any]) -> ReadOptions:
    keep = options.pop("keep", "")
    return ReadOptions(**options, keep=tuple(keep.split(",")) if keep else ())


def carried_of(record: TextRecord) -> dict[str, Any]:
    """The columns carried through beside a text."""
    if record.carried is None:
        return {}
    (values,) = record.carried.batch.slice(record.carried.row, 1).to_pylist()
    return dict(values)


def non_blank(texts: Iterable[str | None], first: int = 1) -> list[tuple[int, str]]:
    """The texts that are to be embedded, with their numbers."""
    numbered = enumerate(texts, first)
    return [(number, text) for number, text in numbered if text and not text.isspace()]


def read_all(*files: InputFile, **options: object) -> tuple[list[TextRecord], list[SkippedRows]]:
    """The texts of some inputs, and what was left out."""
    with InputSequence(files, ReadOptions(**options)) as source:  # type: ignore[arg-type]
        source.detect_formats([])
        return list(source), source.skips.take_all()


class TextInput(LineReader):
    """Lines of some content; iterating gives texts."""

    def __init__(self, content: bytes) -> None:
        stream = ByteStream(io.BytesIO(content), "notes.txt")
        super().__init__(stream)
        self.log = SkipLog(skip_bad_rows=False)

    def texts(self) -> Iterator[TextRecord]:
        return PlainText().read(self, self.log.of_input(0, self.name), None)
