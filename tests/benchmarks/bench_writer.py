"""How many rows a second the writer alone takes, on one core.

    python tests/benchmarks/bench_writer.py [ROWS] [FOLDER]

Writes ROWS (default 200,000) rows of 384 dimensions and about 100 characters into FOLDER (default
the system's temporary folder), once as columns of 10 rows a call, as the engine hands them over,
and once as lists of ``EmbeddingResult``. Rates count everything up to the finished file.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from llama_cli.output import ParquetWriter
from llama_cli.records import EmbeddingBatch, EmbeddingResult

DIMENSION = 384
ROWS_A_CALL = 10
PREPARED_CALLS = 2_000  # texts and vectors repeat after this many calls, far apart


def use_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def random_words() -> list[str]:
    return ["".join(random.choices("etaoinshrdlu", k=random.randint(2, 9))) for _ in range(5000)]


def make_columns(rng: np.random.Generator, words: list[str]) -> EmbeddingBatch:
    texts = [" ".join(random.choices(words, k=16))[:120].encode() for _ in range(ROWS_A_CALL)]
    matrix = rng.standard_normal((ROWS_A_CALL, DIMENSION)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return EmbeddingBatch(
        texts=texts,
        text_hashes=[hashlib.md5(text).hexdigest() for text in texts],
        embeddings=matrix,
        sequence_lengths=rng.integers(3, 40, ROWS_A_CALL).astype(np.uint32),
        processing_times_ms=rng.integers(0, 9, ROWS_A_CALL).astype(np.uint64),
    )


def as_results(columns: EmbeddingBatch) -> list[EmbeddingResult]:
    return [
        EmbeddingResult(
            text=columns.texts[row].decode(),  # type: ignore[union-attr]
            text_hash=columns.text_hashes[row],
            embedding=columns.embeddings[row],
            sequence_length=int(columns.sequence_lengths[row]),
            processing_time_ms=int(columns.processing_times_ms[row]),
        )
        for row in range(len(columns))
    ]


def measure(name: str, calls: Callable[[], Iterator[object]], folder: Path) -> None:
    path = folder / "bench.parquet"
    started, cpu_started = time.perf_counter(), time.process_time()
    with ParquetWriter(path, DIMENSION, on_progress=lambda _: None) as writer:
        for results in calls():
            writer.write_batch(results)  # type: ignore[arg-type]
    seconds = time.perf_counter() - started
    cpu_seconds = time.process_time() - cpu_started
    rows, size = writer.rows_written, writer.bytes_written
    path.unlink()
    print(
        f"{name}: {rows / seconds:,.0f} rows/s, {rows / cpu_seconds:,.0f} rows per second of CPU, "
        f"{size / rows:,.0f} bytes a row"
    )


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    use_one_core()
    random.seed(1)
    rng = np.random.default_rng(1)
    words = random_words()
    columns = [make_columns(rng, words) for _ in range(PREPARED_CALLS)]
    results = [as_results(batch) for batch in columns]
    numbers = range(rows // ROWS_A_CALL)
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        for _ in range(3):
            measure(
                "columns of 10 rows",
                lambda: (columns[n % PREPARED_CALLS] for n in numbers),
                Path(folder),
            )
            measure(
                "lists of 10 results",
                lambda: (results[n % PREPARED_CALLS] for n in numbers),
                Path(folder),
            )
            measure(
                "lists of 1 result",
                lambda: (
                    results[n % PREPARED_CALLS][i : i + 1] for n in numbers for i in range(10)
                ),
                Path(folder),
            )


if __name__ == "__main__":
    main()
