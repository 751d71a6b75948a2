"""What committing costs, and how long a large file takes to finish.

    python -m tests.benchmarks.bench_commits [LINES] [GIGABYTES] [FOLDER]

Embeds LINES (default 100,000) short lines with the built-in model at default settings, and adds up
the time in commits. Then writes GIGABYTES (default 1) of rows with a commit every 64 MiB, and times
the finish, its sync apart. FOLDER (default the system's temporary one) decides which disk is used.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from llama_cli.cli.app import main as llama_cli
from llama_cli.output.durable.journal import RunHeader
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.writer import ParquetWriter
from tests.benchmarks.bench_writer import DIMENSION, PREPARED_CALLS, make_columns, random_words

COMMIT_BYTES = 64 << 20


class Stopwatch:
    """Adds up the time spent in a function."""

    def __init__(self, owner: Any, name: str) -> None:
        self.calls = 0
        self.seconds = 0.0
        real: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return real(*arguments, **options)
            finally:
                self.calls += 1
                self.seconds += time.perf_counter() - started

        setattr(owner, name, timed)


def measure_run(lines: int, folder: Path) -> None:
    source = folder / "in.txt"
    with source.open("w", encoding="utf-8") as file:
        file.writelines(f"line {n} about water and time\n" for n in range(lines))
    whole, syncing = Stopwatch(ParquetWriter, "commit"), Stopwatch(PartialOutput, "commit")
    started = time.perf_counter()
    if llama_cli(["embed", str(source), "--quiet"]):
        sys.exit("the run failed")
    seconds = time.perf_counter() - started
    print(
        f"a run of {lines:,} lines, {seconds:.1f} s: {whole.calls} commits take "
        f"{syncing.seconds:.2f} s ({100 * syncing.seconds / seconds:.2f} %), and with the encoding "
        f"of their rows {whole.seconds:.2f} s ({100 * whole.seconds / seconds:.2f} %)"
    )


def measure_finish(size: int, folder: Path) -> None:
    rng = np.random.default_rng(1)
    words = random_words()
    columns = [make_columns(rng, words) for _ in range(PREPARED_CALLS)]
    output = folder / "large.parquet"
    partial = PartialOutput(output, overwrite=False)
    partial.begin(RunHeader(resumable=True))
    call = 0
    with ParquetWriter(output, DIMENSION, partial=partial) as writer:
        while writer.bytes_written < size:
            writer.write_batch(columns[call % PREPARED_CALLS])
            call += 1
            if writer.uncommitted_bytes >= COMMIT_BYTES:
                writer.commit()
        writer.commit()
        syncing = Stopwatch(os, "fsync")
        started = time.perf_counter()
        writer.close()
        seconds = time.perf_counter() - started
    print(
        f"finishing {output.stat().st_size / 1e9:.1f} GB of {len(partial.commits)} segments: "
        f"{seconds - syncing.seconds:.3f} s, and {syncing.seconds:.3f} s of syncing"
    )


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    size = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as folder:
        measure_run(lines, Path(folder))
        measure_finish(int(size * 1e9), Path(folder))


if __name__ == "__main__":
    main()
