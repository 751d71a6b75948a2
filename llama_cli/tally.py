"""What is counted on the way; the journal, the footer and the summary are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from llama_cli.types import VectorBatch


@dataclass(slots=True)
class Tally:
    """Counts of the rows so far, those of earlier processes included.

    Attributes:
        rows: rows of the file.
        cut: texts shortened to the maximum length.
        repaired: lines with bytes that were not UTF-8.
        repeated: texts that got the vector of an equal text before them.
        without_vector: rows for which the model gave no finite vector.
        tokens: tokens fed to the model.
        line: number of the last row's line.
        position: just after that line in the input, in bytes.
    """

    rows: int = 0
    cut: int = 0
    repaired: int = 0
    repeated: int = 0
    without_vector: int = 0
    tokens: int = 0
    line: int = 0
    position: int = 0

    def add(self, batch: VectorBatch) -> None:
        """Count the rows of a batch."""
        rows = len(batch.records)
        self.rows += rows
        self.cut += batch.cut
        self.repaired += sum(record.repaired for record in batch.records)
        self.repeated += int(np.count_nonzero(batch.repeated))
        self.without_vector += rows - int(np.count_nonzero(batch.valid))
        self.tokens += int(batch.sequence_lengths[~batch.repeated].sum())
        self.line = batch.records[-1].line
        self.position = batch.records[-1].end

    def to_state(self, digest: str) -> dict[str, Any]:
        """As a commit keeps it, with the digest of the input up to the position."""
        return {
            "input": {"position": self.position, "line": self.line, "xxh3_128": digest},
            "cut": self.cut,
            "repaired": self.repaired,
            "repeated": self.repeated,
            "without_vector": self.without_vector,
            "tokens": self.tokens,
        }

    @classmethod
    def from_state(cls, rows: int, state: dict[str, Any]) -> Self:
        """As it was at a commit."""
        counts = {name: value for name, value in state.items() if name != "input"}
        read = state["input"]
        return cls(rows=rows, line=read["line"], position=read["position"], **counts)
