"""What is counted on the way; the journal, the footer and the summary are made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from llama_cli.inputs.sequence import START, Position
from llama_cli.inputs.skips import SkippedRows
from llama_cli.records import VectorBatch


@dataclass(slots=True)
class Counts:
    """Counts of the rows so far, those of earlier processes included.

    Attributes:
        rows: rows of the file.
        skipped: blank lines or texts left out.
        bad_rows: rows of the input left out because they could not be used.
        truncated: texts shortened to the maximum length.
        invalid_utf8: lines with bytes that were not UTF-8.
        duplicates: texts that got the vector of an equal text before them.
        without_vector: rows for which the model gave no finite vector.
        tokens: tokens fed to the model.
        position: of the last row in the inputs.
        bytes_read: of all inputs up to there, about.
    """

    rows: int = 0
    skipped: int = 0
    bad_rows: int = 0
    truncated: int = 0
    invalid_utf8: int = 0
    duplicates: int = 0
    without_vector: int = 0
    tokens: int = 0
    position: Position = START
    bytes_read: int = 0

    def add(self, batch: VectorBatch) -> None:
        """Count the rows of a batch."""
        rows = len(batch.records)
        self.rows += rows
        self.truncated += int(np.count_nonzero(batch.truncated))
        self.invalid_utf8 += sum(record.invalid_utf8 for record in batch.records)
        self.duplicates += int(np.count_nonzero(batch.duplicates))
        self.without_vector += rows - int(np.count_nonzero(batch.valid))
        self.tokens += int(batch.sequence_lengths[~batch.duplicates].sum())
        last = batch.records[-1]
        self.position = Position(last.input_index, last.line, last.offset)
        self.bytes_read = last.bytes_read

    def add_skipped(self, skipped: Iterable[SkippedRows]) -> None:
        """Count rows of the input that are left out."""
        for one in skipped:
            if one.is_blank:
                self.skipped += one.rows
            else:
                self.bad_rows += one.rows

    def to_state(self, source: dict[str, Any]) -> dict[str, Any]:
        """As a commit keeps it, with what the inputs have to know at this place."""
        counts = asdict(self)
        del counts["rows"], counts["position"]
        return {"input": source} | counts

    @classmethod
    def from_state(cls, rows: int, state: dict[str, Any]) -> Self:
        """As it was at a commit."""
        read = state["input"]
        place = Position(read["number"], read["line"], read["position"])
        counts = {field.name: state[field.name] for field in fields(cls) if field.name in state}
        return cls(rows=rows, position=place, **counts)
