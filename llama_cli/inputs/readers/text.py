"""Plain text: one text a line."""

from __future__ import annotations

from collections.abc import Iterator

from llama_cli.inputs.readers.lines import LineReader
from llama_cli.inputs.skips import SourceSkips
from llama_cli.inputs.utf8 import is_blank, repair
from llama_cli.records import TextRecord


def read_texts(lines: LineReader, skips: SourceSkips) -> Iterator[TextRecord]:
    r"""The lines that are not blank; one ``\r`` before a line's end is dropped, nothing else."""
    for line, end in lines:
        text, invalid_utf8 = repair(line.removesuffix(b"\r"))
        if is_blank(text):
            skips.add_blank(lines.lines)
        else:
            lines.note(end)
            yield TextRecord(text, lines.lines, end, invalid_utf8)
        del line, text  # a huge line is let go before the next one is read
