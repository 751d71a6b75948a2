"""Ending early: what can be resumed stays, all else goes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from llama_cli.output.durable.partial import PartialOutput, abandon_active
from tests.output.durable.runs import (
    ROWS,
    contents,
    make_header,
    open_writer,
    run,
)
from tests.output.samples import read, rows_of


@pytest.mark.parametrize(
    "leave", [PartialOutput.release, PartialOutput.abandon], ids=["release", "abandon"]
)
def test_a_run_that_was_not_started_is_left_as_it_was(
    out: Path, leave: Callable[[PartialOutput], object]
) -> None:
    before = contents(out.parent)
    partial = PartialOutput(out, overwrite=True)
    assert partial.rows > 0
    leave(partial)
    partial.release()
    assert contents(out.parent) == before


@pytest.fixture
def _only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests that failed may have left some behind."""
    monkeypatch.setattr("llama_cli.output.durable.partial._active", weakref.WeakSet())


@pytest.mark.usefixtures("_only_ours")
def test_abandoning_keeps_what_is_committed(out: Path) -> None:
    with PartialOutput(out, overwrite=True) as partial:
        partial.resume()
        writer = open_writer(out, partial)
        writer.write_batch(ROWS[30:45])
        assert abandon_active() == 30
        writer.abort()
    run(out)
    assert read(out).to_pylist() == rows_of(ROWS)


@pytest.mark.usefixtures("_only_ours")
def test_abandoning_removes_what_nobody_could_resume(tmp_path: Path) -> None:
    with PartialOutput(tmp_path / "out.parquet", overwrite=True) as partial:
        partial.begin(make_header())
        writer = open_writer(tmp_path / "out.parquet", partial)
        writer.write_batch(ROWS)
        writer.flush()
        assert abandon_active() == 0
        assert contents(tmp_path) == {}
        writer.abort()
    assert contents(tmp_path) == {}
