"""Huge lines and huge inputs of each format take a bounded amount of memory (Linux)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from llama_cli.output.provenance import read_provenance
from tests.cli.test_memory import MB, numbered_lines, peak
from tests.compressors import LIBRARIES
from tests.tiny_models import write_bert

LONG = 'water, "and" time; ' * 550_000  # 10 MB, with something to escape in every format
SHORT = ["light"] * 2000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "smallest.gguf"
    return write_bert(path, dim=16, layers=1, heads=2, ff=16)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory, model: Path) -> int:
    """What a run with short lines takes."""
    source = numbered_lines(tmp_path_factory.mktemp("usual") / "in.txt", 50_000)
    return peak(source, "-m", model)


def write(path: Path, texts: list[str]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), "utf-8")
    elif path.suffix == ".csv":
        quoted = [t.replace('"', '""') for t in texts]
        path.write_text("id,text\n" + "".join(f'1,"{t}"\n' for t in quoted), "utf-8")
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts}), path)
    elif path.suffix == ".arrow":
        pa.feather.write_feather(pa.table({"text": texts}), path)
    else:
        path.write_bytes(LIBRARIES["gzip"]("".join(t + "\n" for t in texts).encode()))
    return path


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv", "in.parquet", "in.arrow", "in.txt.gz"])
def test_lines_of_ten_megabytes(tmp_path: Path, model: Path, usual: int, name: str) -> None:
    source = write(tmp_path / name, [*SHORT, LONG, *SHORT, LONG, *SHORT])
    output = tmp_path / "out.parquet"
    assert peak(source, "-m", model, "--threads", 2, "-o", output) < usual + 200 * MB
    made = read_provenance(output)
    assert made is not None
    assert (made.rows, made.truncated) == (3 * len(SHORT) + 2, 2)
    lengths = {len(text) for text in pq.read_table(output)["text"].to_pylist()}
    assert lengths == {5, len(LONG)}


READER = """
import re, sys
from llama_cli.inputs.resolve import find_inputs
from llama_cli.inputs.sequence import ReadOptions
from llama_cli.inputs.sequence import InputSequence, Position
with InputSequence(find_inputs(sys.argv[1:]), ReadOptions(on_bad_row="skip")) as source:
    source.detect_formats([])
    for record in source:
        source.passed(Position(record.input_index, record.line, record.offset))
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def peak_of_reading(source: Path) -> int:
    """Bytes; embedding takes as much for any input, but longer."""
    # Not that of getrusage, which begins with what this process takes.
    command = [sys.executable, "-c", READER, source]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) << 10


@pytest.mark.parametrize("kind", LIBRARIES)
def test_320_megabytes_decompressed(tmp_path: Path, kind: str) -> None:
    member = LIBRARIES[kind]((b"water and time" * 20_000 + b"\n") * 60)
    peaks = []
    for members in (1, 20):
        source = tmp_path / f"{members}.txt"
        source.write_bytes(member * members)
        peaks.append(peak_of_reading(source))
    assert peaks[1] - peaks[0] < 20 * MB


@pytest.mark.parametrize("line", [b" " * 999, b'{"text": null, "more": "' + b"x" * 999 + b'"}'])
def test_rows_left_out_do_not_pile_up_in_memory(tmp_path: Path, line: bytes) -> None:
    """A stretch of blank or bad rows may be as long as any."""
    peaks = []
    for size in (1 << 20, 64 << 20):
        source = tmp_path / f"{size}.jsonl"
        source.write_bytes(b'{"text": "one"}\n' + (line + b"\n") * (size // (len(line) + 1)))
        peaks.append(peak_of_reading(source))
    assert peaks[1] - peaks[0] < 20_000_000
