"""Several inputs of all kinds, killed at any moment; LLAMA_CLI_TORTURE=1 kills far more often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.run.checks import assert_same_content, footer
from tests.run.many import REPORT, ManyJob, resuming_after
from tests.run.mixed import PLAIN, TABLES, Write, write_inputs
from tests.run.runs import Outcome
from tests.run.torment import Torment
from tests.torture import TORTURE

_KILLS = 100 if TORTURE else 3
_ROWS = 3000 if TORTURE else 500


class ManyTorment(Torment):
    """Kills of runs over several inputs. What is compared is also the report."""

    def __init__(self, job: ManyJob, kinds: dict[str, Write], seed: int) -> None:
        self._many, self._kinds = job, kinds
        super().__init__(job, seed)
        self._reported = job.report.read_bytes()
        # What is there is the report of another run, and the one that begins has to empty it.
        job.report.write_bytes(b'{"source": "another", "line": 1}\n' * 9999)

    def _prepare(self, seed: int) -> None:
        self._many.inputs.mkdir(parents=True)
        names = write_inputs(self._many.inputs, self._kinds, _ROWS, seed)
        self._names = [f"in/{name}" for name in names]

    def _check_done(self) -> None:
        job = self._many
        assert job.left() == ["in", "out.parquet"]
        assert_same_content(job.output, self._expected)
        assert job.report.read_bytes() == self._reported
        made = footer(job.output)
        assert [one["name"] for one in made["inputs"]] == self._names
        assert [one["bytes"] for one in made["inputs"]] == [
            (job.folder / name).stat().st_size for name in self._names
        ]
        assert min(made["skipped"], made["bad_rows"], made["truncated"], made["without_vector"]) > 0

    def _said(self, outcome: Outcome) -> object:
        return resuming_after(outcome)

    def _place(self, last: dict[str, Any]) -> object:
        position = last["checkpoint"]["position"]
        return last["rows"] + 1, self._names[position["input_index"]], position["line"]


@pytest.mark.torture
def test_runs_over_several_inputs_end_as_if_they_had_not_been_killed(
    tmp_path: Path, slow_model: Path
) -> None:
    """Two side by side: with columns kept, which plain text has not, and with plain text."""
    both = ("--on-bad-row", "skip", "--with-source", "--line-numbers", *REPORT)
    options = (*both, "--commit-interval", "0.1", "--batch-size", "50")
    first = ManyTorment(job_in(tmp_path / "first", slow_model, *options), PLAIN | TABLES, seed=1)
    options = (*both, "--commit-interval", "0", "--keep", "*", "--no-dedup")
    second = ManyTorment(job_in(tmp_path / "second", slow_model, *options), TABLES, seed=2)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda torment: torment.kill(_KILLS), [first, second]))
    print(first, second, sep="\n")


def job_in(folder: Path, model: Path, *options: str) -> ManyJob:
    (folder / "work").mkdir(parents=True)
    return ManyJob(folder / "work", model, options)
