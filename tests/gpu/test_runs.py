"""Runs on a GPU that are killed, and runs that are repeated."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from tests.gpu.runs import PATIENCE, Command, Run

# Rows fall into other batches after a kill, and products are summed in another order there.
CLOSE = 1e-3


def test_a_killed_run_resumes_to_the_same_file(command: Command, many_lines: Path) -> None:
    whole = command.run(many_lines, name="whole")
    process = command.start(many_lines, "--commit-interval", 0, name="killed")
    journal = command.output("killed").with_suffix(".parquet.journal")
    until = time.monotonic() + PATIENCE
    while not (journal.exists() and journal.read_bytes().count(b'"commit"') >= 3):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not command.output("killed").exists()

    rest = command.run(many_lines, name="killed")
    assert "resuming at row" in rest.err
    assert_same(whole, rest, "after a kill")


def test_the_same_input_gives_the_same_file(command: Command, many_lines: Path) -> None:
    runs = [command.run(many_lines, name=name) for name in ("first", "second")]
    assert_same(*runs, "twice")


def assert_same(one: Run, other: Run, what: str) -> None:
    for name in ("text", "text_hash", "sequence_length"):
        assert one.column(name) == other.column(name)
    left, right = one.vectors, other.vectors
    differing = int((left != right).any(axis=1).sum())
    largest = float(np.abs(left - right).max())
    print(f"{what}: {differing} of {len(left)} vectors differ, by {largest:.1e} at most")
    assert largest <= CLOSE
