"""Memory is bounded by the writer's settings, not by what is written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.output.samples import run_python

# The peak that getrusage tells begins with that of the process that started this one.
MEASURE = """
import sys
import numpy as np
from pathlib import Path
from llama_cli.output import ParquetWriter
from llama_cli.records import EmbeddingBatch

def peak():
    if sys.platform.startswith("linux"):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def columns(texts):
    n = len(texts)
    vectors = np.random.default_rng(0).standard_normal((n, 384)).astype(np.float32)
    numbers = np.ones(n, np.uint32)
    return EmbeddingBatch(texts, ["0" * 32] * n, vectors, numbers, numbers.astype(np.uint64))

out = sys.argv[1]
hundred = columns([b"a text of about one hundred characters " * 3] * 100)
with ParquetWriter(out, 384) as writer:
    writer.write_batch(hundred)
"""

MANY_ROWS = """
with ParquetWriter(out, 384, int(sys.argv[3])) as writer:
    for _ in range(int(sys.argv[2]) // 100):
        writer.write_batch(hundred)
print(peak())
"""

LONG_TEXT = """
text = b"word " * (12 * 2**20)
assert len(text) == 60 * 2**20
before = peak()
with ParquetWriter(out, 384) as writer:
    for _ in range(400):
        writer.write_batch(hundred)
    writer.write_batch(columns([text]))
    writer.write_batch(hundred)
print(peak() - before)
"""

MIB = 2**20


def measure(out: Path, code: str, *args: object) -> int:
    done = run_python(MEASURE + code, out, *args)
    assert done.stderr == ""
    return int(done.stdout)


@pytest.mark.parametrize("batch_size", [32, 1024])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, batch_size: int) -> None:
    few, many = (
        measure(tmp_path / "out.parquet", MANY_ROWS, rows, batch_size)
        for rows in (100_000, 400_000)
    )
    assert many - few < 24 * MIB


def test_memory_grows_with_the_batch_size_up_to_a_row_group(tmp_path: Path) -> None:
    small, large, huge = (
        measure(tmp_path / "out.parquet", MANY_ROWS, 100_000, batch_size)
        for batch_size in (1024, 30_000, 3_000_000)
    )
    assert small < large
    assert huge - small < 80 * MIB


def test_a_long_text_costs_a_few_times_its_size(tmp_path: Path) -> None:
    # Arrow's encoder holds it three times: as encoded, as a page, and compressed.
    assert measure(tmp_path / "out.parquet", LONG_TEXT) < 4 * 60 * MIB


def test_the_measurement_sees_memory(tmp_path: Path) -> None:
    code = "before = peak()\nblock = b'x' * (100 * 2**20)\nprint(peak() - before)"
    factor = 1 if sys.platform != "darwin" else 2
    assert measure(tmp_path / "out.parquet", code) > 90 * MIB / factor
