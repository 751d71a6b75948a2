"""Ending early: what can be continued stays, all else goes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from llama_cli.output.durable.active import abandon_active
from llama_cli.output.durable.partial import PartialOutput
from tests.output.runs import (
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
    monkeypatch.setattr("llama_cli.output.durable.active._active", weakref.WeakSet())


@pytest.mark.usefixtures("_only_ours")
def test_abandoning_keeps_what_is_safe(out: Path) -> None:
    partial = PartialOutput(out, overwrite=True)
    partial.start(make_header())
    writer = open_writer(out, partial)
    writer.write_batch(ROWS[30:45])
    assert abandon_active() == 30
    writer.abort()
    run(out)
    assert read(out).to_pylist() == rows_of(ROWS)


@pytest.mark.usefixtures("_only_ours")
def test_abandoning_removes_what_nobody_could_resume(tmp_path: Path) -> None:
    partial = PartialOutput(tmp_path / "out.parquet", overwrite=True)
    partial.start(make_header())
    writer = open_writer(tmp_path / "out.parquet", partial)
    writer.write_batch(ROWS)
    writer.flush()
    assert abandon_active() == 0
    assert contents(tmp_path) == {}
    writer.abort()
    assert contents(tmp_path) == {}
