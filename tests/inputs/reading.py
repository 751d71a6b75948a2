"""Reading plain text as the pipeline does, with what is behind it in reach."""

from __future__ import annotations

import io
from collections.abc import Iterator

from llama_cli.inputs.options import ReadOptions
from llama_cli.inputs.readers.lines import LineReader
from llama_cli.inputs.readers.text import read_texts
from llama_cli.inputs.resolve import InputFile
from llama_cli.inputs.sequence import InputSequence
from llama_cli.inputs.skips import SkipLog, SkippedRows
from llama_cli.inputs.stream import ByteStream
from llama_cli.records import TextRecord


def read_all(*files: InputFile, **options: object) -> tuple[list[TextRecord], list[SkippedRows]]:
    """The texts of some inputs, and what was left out."""
    with InputSequence(files, ReadOptions(**options)) as source:  # type: ignore[arg-type]
        source.look([])
        return list(source), source.skips.take_all()


class TextInput(LineReader):
    """Lines of some content; iterating gives texts."""

    def __init__(self, content: bytes) -> None:
        stream = ByteStream(io.BytesIO(content), name="notes.txt", size=len(content))
        super().__init__(stream)
        self.log = SkipLog(skip_bad_rows=False)

    def texts(self) -> Iterator[TextRecord]:
        return read_texts(self, self.log.of_source(0, self.name))
