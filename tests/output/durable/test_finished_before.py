"""A run killed between the last rename and the removal of its journal had finished."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from llama_cli.errors import OutputRefusedError
from llama_cli.output import ParquetWriter
from llama_cli.output.durable.partial import PartialOutput
from tests.output.durable.runs import (
    DIM,
    PROVENANCE,
    RUN_ID,
    contents,
    journal_of,
    make_header,
    partial_of,
    run,
)
from tests.output.samples import make_results, read


@pytest.fixture
def renamed(out: Path) -> Path:
    """A run killed between the last rename and the removal of its journal."""
    kept: list[bytes] = []
    run(out, on_commit=lambda _: kept.append(journal_of(out).read_bytes()))
    journal_of(out).write_bytes(kept[-1])
    return out


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_finished_run_is_known_by_its_output(renamed: Path, overwrite: bool) -> None:
    before = renamed.read_bytes()
    partial = PartialOutput(renamed, overwrite=overwrite)
    assert partial.finished_before == PROVENANCE
    assert partial.finished_before.run_id == RUN_ID
    assert (partial.header, partial.commits) == (make_header(), [])
    partial.clean_up()
    assert contents(renamed.parent) == {"out.parquet": before}


def test_a_finished_output_survives_whoever_only_looks(renamed: Path) -> None:
    """Its journal does, too: whoever comes next shall know it as well."""
    before = contents(renamed.parent)
    assert PartialOutput(renamed, overwrite=False).release() == 0
    assert contents(renamed.parent) == before


def test_a_finished_output_is_not_replaced_without_being_asked(renamed: Path) -> None:
    before = contents(renamed.parent)
    partial = PartialOutput(renamed, overwrite=False)
    with pytest.raises(OutputRefusedError, match="exists already"):
        partial.begin(make_header())
    partial.release()
    assert contents(renamed.parent) == before


def test_a_finished_output_may_be_replaced(renamed: Path) -> None:
    with ParquetWriter(renamed, DIM) as writer:
        writer.write_batch(make_results(3))
    assert read(renamed).num_rows == 3
    assert list(contents(renamed.parent)) == ["out.parquet"]


@pytest.mark.parametrize("kind", ["no Parquet", "another run", "no provenance"])
def test_an_output_of_another_run_is_not_taken_for_the_finished_one(
    out: Path, kind: str, tmp_path: Path
) -> None:
    partial_of(out).unlink()
    if kind == "no Parquet":
        out.write_bytes(b"PAR1 or not")
    else:
        with ParquetWriter(tmp_path / "other", DIM) as writer:
            if kind == "another run":
                other = dataclasses.replace(PROVENANCE, run_id="ff" * 16)
                writer.add_metadata("llama_cli", other.to_json())
        (tmp_path / "other").rename(out)
    partial = PartialOutput(out, overwrite=True)
    assert partial.finished_before is None
    partial.release()


def test_a_run_is_not_finished_while_its_rows_are_there(renamed: Path, killed: Path) -> None:
    partial_of(renamed).write_bytes(partial_of(killed / "out.parquet").read_bytes())
    partial = PartialOutput(renamed, overwrite=True)
    assert partial.finished_before is None
    partial.release()
