"""Plain text: one text a line."""

from __future__ import annotations

from collections.abc import Iterator

from llama_cli.sources.lines import LineReader
from llama_cli.sources.skips import SourceSkips
from llama_cli.sources.utf8 import is_blank, repair
from llama_cli.types import TextRecord


def read_texts(lines: LineReader, skips: SourceSkips) -> Iterator[TextRecord]:
    r"""The lines that are not blank; one ``\r`` before a line's end is dropped, nothing else."""
    for line, end in lines:
        text, repaired = repair(line.removesuffix(b"\r"))
        if is_blank(text):
            skips.add_blank(lines.lines)
        else:
            lines.note(end)
            yield TextRecord(text, lines.lines, end, repaired)
        del line, text  # a huge line is let go before the next one is read
