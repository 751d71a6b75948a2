"""Rows to write, and ways to look at what was written."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llama_cli.records import EmbeddingBatch, EmbeddingResult

TEXTS = [
    "A plain line.",
    "Grüße aus Köln, naïve café",
    "日本語のテキスト",
    "한국어 문장",
    "نص عربي",
    "हिन्दी पाठ",
    "family 👩‍👩‍👧‍👦 and a flag 🇪🇺",
    "nul\x00inside, tab\tand\x85next line\u2028separator",
    "  spaces around  ",
    "quotes \" ' , ; and \\n that is no newline",
    "\ufeffbyte order mark",
]


def make_results(
    count: int, dim: int = 8, *, seed: int = 0, nulls: Sequence[int] = (), lines: bool = False
) -> list[EmbeddingResult]:
    """``count`` rows with random unit vectors; those at ``nulls`` have none."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((count, dim)).astype(np.float32)
    results = []
    for row in range(count):
        text = f"{TEXTS[row % len(TEXTS)]} {row}"
        results.append(
            EmbeddingResult(
                text=text,
                text_hash=hashlib.md5(text.encode()).hexdigest(),
                embedding=None if row in nulls else matrix[row],
                sequence_length=2**32 - 1 if row == 3 else row + 2,
                processing_time_ms=2**64 - 1 if row == 4 else row * 7,
                line=row * 2 + 1 if lines else None,
            )
        )
    return results


def as_columns(
    results: Sequence[EmbeddingResult], dim: int = 8, *, as_bytes: bool = True
) -> EmbeddingBatch:
    """The same rows as columns."""
    vectors = [np.zeros(dim) if r.embedding is None else r.embedding for r in results]
    lines = [r.line for r in results if r.line is not None]
    texts = [r.text for r in results]
    return EmbeddingBatch(
        texts=[text.encode() for text in texts] if as_bytes else texts,
        text_hashes=[r.text_hash for r in results],
        embeddings=np.array(vectors, np.float32).reshape(-1, dim),
        sequence_lengths=np.array([r.sequence_length for r in results], np.uint32),
        processing_times_ms=np.array([r.processing_time_ms for r in results], np.uint64),
        valid=np.array([r.embedding is not None for r in results], np.bool_),
        lines=np.array(lines, np.int64) if lines else None,
    )


def rows_of(results: Sequence[EmbeddingResult]) -> list[dict[str, Any]]:
    """What the rows must look like when read back."""
    rows = []
    for r in results:
        vector = None if r.embedding is None else [float(x) for x in r.embedding]
        row = {
            "text": r.text,
            "text_hash": r.text_hash,
            "embedding": vector,
            "sequence_length": r.sequence_length,
            "processing_time_ms": r.processing_time_ms,
        }
        rows.append(row if r.line is None else row | {"line": r.line})
    return rows


def read(path: Path) -> pa.Table:
    """Read with every page's checksum verified."""
    table = pq.read_table(path, page_checksum_verification=True)
    table.validate(full=True)
    return table


def row_group_sizes(path: Path) -> list[int]:
    footer = pq.read_metadata(path)
    return [footer.row_group(n).num_rows for n in range(footer.num_row_groups)]


def run_python(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own; it finds its arguments in ``sys.argv``."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
