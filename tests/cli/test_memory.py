"""Peak memory of the real command, read from the process itself (Linux).

`ru_maxrss` will not do: a child process starts with its parent's peak.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from llama_cli.models.default import DEFAULT_MODEL
from tests.tiny_models import write_bert

MB = 1_000_000

REPORT = """
import re, sys
from pathlib import Path
from llama_cli.cli.app import main
code = main(["embed", *sys.argv[1:], "--quiet", "--overwrite"])
kilobytes = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
assert "pandas" not in sys.modules, "pyarrow has pulled in pandas: 50 MB and half a second"
print(1024 * kilobytes)
sys.exit(code)
"""


def peak(*words: object) -> int:
    command = [sys.executable, "-c", REPORT, *map(str, words)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def numbered_lines(path: Path, count: int) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"water time {i}\n" for i in range(count))
    return path


@pytest.fixture(scope="module")
def smallest_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "smallest.gguf"
    return write_bert(path, dim=16, layers=1, heads=2, ff=16)


def test_a_million_rows_take_no_more_than_200_thousand(
    tmp_path: Path, smallest_model: Path
) -> None:
    few = peak(numbered_lines(tmp_path / "few.txt", 200_000), "-m", smallest_model)
    many = peak(numbered_lines(tmp_path / "many.txt", 1_000_000), "-m", smallest_model)
    assert abs(many - few) < 50 * MB


def test_batch_size_costs_its_rows_and_at_most_a_row_group(
    tmp_path: Path, smallest_model: Path
) -> None:
    source = numbered_lines(tmp_path / "in.txt", 100_000)
    small = peak(source, "-m", smallest_model, "--batch-size", 32)
    large = peak(source, "-m", smallest_model, "--batch-size", 1_000_000)
    assert 5 * MB < large - small < 64 * MB


@pytest.mark.parametrize("words", ["distinct", "equal"])
def test_huge_words_of_few_tokens_do_not_pile_up(tmp_path: Path, words: str) -> None:
    """Eight MiB a line and three tokens: batches are bounded in bytes, too."""
    source = tmp_path / "in.txt"
    with source.open("wb") as file:
        for letter in range(97, 97 + 16):
            file.write(bytes([97 if words == "equal" else letter]) * (8 << 20) + b"\n")
    assert peak(source, "--threads", 2) < DEFAULT_MODEL.stat().st_size + 300 * MB


@pytest.mark.parametrize("length", [100, 1 << 20, 16 << 20])
def test_the_default_model_takes_its_file_and_300_mb(tmp_path: Path, length: int) -> None:
    """Lines of up to 16 MiB that hardly compress; see docs/architecture.md for longer ones."""
    random = np.random.default_rng(1)
    letters = random.choice(np.frombuffer(b"etaoin shrdlu cmfwyp", np.uint8), (5, length))
    source = tmp_path / "in.txt"
    source.write_bytes(b"\n".join(row.tobytes() for row in letters))
    assert peak(source, "--threads", 2) < DEFAULT_MODEL.stat().st_size + 300 * MB
