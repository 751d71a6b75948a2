"""A GPU whose memory others have taken."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import cosines
from tests.gpu.runs import Command

REFERENCE = Path(__file__).parent.parent / "reference"


@contextlib.contextmanager
def only_left(mebibytes: int) -> Iterator[None]:
    """While it lasts, so much of the first GPU's memory is free."""
    filler = subprocess.Popen(
        [sys.executable, "-m", "tests.gpu.fill", str(mebibytes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert filler.stdin is not None
    assert filler.stdout is not None
    try:
        said = filler.stdout.readline()
        assert said.startswith("left"), said
        print(said.strip())
        yield
    finally:
        filler.stdin.close()
        filler.wait()


def test_a_model_that_does_not_fit_is_refused_in_one_line(command: Command) -> None:
    with only_left(16):
        run = command.run(REFERENCE / "english.txt")
    assert run.code == 3
    assert "out of memory" in run.only_error()
    assert not run.output.exists()


@pytest.mark.parametrize("left", [300, 700, 1000, 1500])
def test_short_memory_gives_right_vectors_or_one_line(command: Command, left: int) -> None:
    with only_left(left):
        run = command.run(REFERENCE / "english.txt")
    print(f"{left} MiB: exit code {run.code}; {run.err}")
    if run.code:
        assert "damaged" not in run.err
        assert run.only_error()
    else:
        cpu = command.run(REFERENCE / "english.txt", device="cpu", name="cpu")
        assert cosines(run.vectors, cpu.vectors).min() >= 0.9999
