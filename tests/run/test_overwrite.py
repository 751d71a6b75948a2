"""An older output stays what it is until the moment it is replaced."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.run.checks import assert_refused, assert_same_content
from tests.run.deaths import BEFORE_THE_FOOTER, die
from tests.run.runs import Job, outcome_of, resuming

OLDER = b"an older output, of whatever kind"


def test_an_older_output_stays_until_it_is_replaced(unfinished: Job, expected: Path) -> None:
    unfinished.output.write_bytes(OLDER)
    process = unfinished.start_held("--overwrite")
    process.kill()
    outcome_of(process)
    assert unfinished.output.read_bytes() == OLDER
    die(unfinished, BEFORE_THE_FOOTER, "--overwrite")
    assert unfinished.output.read_bytes() == OLDER
    assert resuming(unfinished.finish("--overwrite"))
    assert_same_content(unfinished.output, expected)


def test_overwrite_discards_no_other_run(unfinished: Job) -> None:
    unfinished.output.write_bytes(OLDER)
    assert_refused(unfinished, "--overwrite", "--pooling", "cls", naming="with another pooling")
    assert unfinished.output.read_bytes() == OLDER


def test_overwrite_and_restart_discard_another_run_and_the_output(unfinished: Job) -> None:
    unfinished.output.write_bytes(OLDER)
    assert resuming(unfinished.finish("--overwrite", "--restart", "--line-numbers")) is None
    assert "line" in pq.read_schema(unfinished.output).names


@pytest.mark.parametrize("option", ["--quiet", "--restart"])
def test_without_overwrite_nothing_is_touched(unfinished: Job, option: str) -> None:
    unfinished.output.write_bytes(OLDER)
    before = unfinished.unfinished()
    outcome = unfinished.run(option)
    assert outcome.code == 2
    assert "out.parquet exists already; replace it with --overwrite" in outcome.err
    assert unfinished.output.read_bytes() == OLDER
    assert unfinished.unfinished() == before


def test_an_output_that_appears_in_the_meantime_is_not_replaced(
    unfinished: Job, expected: Path
) -> None:
    process = unfinished.start_held()
    unfinished.output.write_bytes(OLDER)
    unfinished.release()
    outcome = outcome_of(process)
    assert outcome.code == 2
    assert "out.parquet exists already; " in outcome.err
    assert unfinished.output.read_bytes() == OLDER
    unfinished.output.unlink()
    assert resuming(unfinished.finish())
    assert_same_content(unfinished.output, expected)
