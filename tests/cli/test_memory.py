"""Peak memory of the real command: of its process and the one with the model together (Linux).

Pages that both share count once: the proportional set sizes are read while they run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from llama_cli.models.builtin.file import DEFAULT_MODEL
from tests.tiny_models import write_bert

MB = 1_000_000


def peak(*words: object) -> int:
    command = [sys.executable, "-m", "llama_cli", "embed", *map(str, words), "-q", "--overwrite"]
    with subprocess.Popen(command) as process:
        sizes = [0]
        while process.poll() is None:
            sizes.append(sum(map(proportional_size, family(process.pid))))
            time.sleep(0.01)
    assert process.returncode == 0
    assert len(sizes) > 20
    return max(sizes)


def family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
        yield from map(int, children.split())


def proportional_size(pid: int) -> int:
    with suppress(OSError):  # it has just ended
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
        return 1024 * int(re.search(r"Pss:\s+(\d+)", rollup)[1])  # type: ignore[index]
    return 0


def test_pandas_stays_out(notes: Path) -> None:
    """pyarrow takes it in where it is installed, if asked the wrong way: 50 MB, half a second."""
    code = (
        "import sys; from llama_cli.cli.app import main\n"
        "assert not main(['embed', sys.argv[1], '-q', '--overwrite'])\n"
        "assert 'pyarrow' in sys.modules and 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, notes], check=True)


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


def test_a_large_batch_size_costs_at_most_a_row_group(tmp_path: Path, smallest_model: Path) -> None:
    source = numbered_lines(tmp_path / "in.txt", 100_000)
    small = peak(source, "-m", smallest_model, "--batch-size", 32)
    large = peak(source, "-m", smallest_model, "--batch-size", 1_000_000)
    assert large - small < 64 * MB


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
