"""What is counted on the way; the checkpoint, the footer and the summary are made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

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
        bytes_read: of all inputs up to the last row, about.
    """

    rows: int = 0
    skipped: int = 0
    bad_rows: int = 0
    truncated: int = 0
    invalid_utf8: int = 0
    duplicates: int = 0
    without_vector: int = 0
    tokens: int = 0
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
        self.bytes_read = batch.records[-1].bytes_read

    def add_skipped(self, skipped: Iterable[SkippedRows]) -> None:
        """Count rows of the input that are left out."""
        for rows in skipped:
            if rows.is_blank:
                self.skipped += rows.rows
            else:
                self.bad_rows += rows.rows
