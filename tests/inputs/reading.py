"""Reading plain text as the pipeline does, with what is behind it in reach."""

from __future__ import annotations

import io
from collections.abc import Iterator

from llama_cli.inputs.readers.text import LineReader, PlainText
from llama_cli.inputs.resolve import InputFile
from llama_cli.inputs.sequence import InputSequence, ReadOptions
from llama_cli.inputs.skips import SkipLog, SkippedRows
from llama_cli.inputs.stream import ByteStream
from llama_cli.records import TextRecord


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
