"""Killing a run at random moments, again and again, and checking what is left each time."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time
from itertools import pairwise
from typing import Any

from tests.run.checks import assert_same_content
from tests.run.corpus import hard_lines
from tests.run.programs import LOUD
from tests.run.runs import Job, Outcome, outcome_of, resuming, wait_until

_LINES = 1500
_KILLS_AT_START = 0.2
_MOST_SECONDS_MORE = 0.1
_KILLED = -signal.SIGKILL
# What a run returns whose model has no vector for some of the texts.
_DONE = 4


class Torment:
    """Many runs of one command, killed at moments that the seed decides.

    Attributes:
        kills: how many there were.
        runs: that were done in the end.
        most_lost: rows that a kill has cost, where the run told of all of them.
        most_between_commits: rows.
    """

    def __init__(self, job: Job, seed: int) -> None:
        self.kills = self.runs = self.most_lost = self.most_between_commits = 0
        self._job = job
        self._random = random.Random(seed)
        self._expected = job.folder.parent / "expected.parquet"
        self._prepare(seed)
        begun = time.monotonic()
        process = job.start()
        wait_until(job.partial.exists, process)
        self._start_takes = time.monotonic() - begun
        assert outcome_of(process).code == _DONE
        job.output.rename(self._expected)

    def __str__(self) -> str:
        lost = self.most_lost if self._job.program == LOUD else "unknown"
        return (
            f"{self.kills} kills; {self.runs} runs done, none with a difference; "
            f"most rows lost: {lost}; most between commits: {self.most_between_commits}"
        )

    def kill(self, times: int) -> None:
        """Kill so often, in as many runs as that takes."""
        until = self.kills + times
        while self.kills < until:
            while not self._is_done():
                self._run(self.kills < until)
            self.runs += 1
            self._check_done()
            self._job.output.unlink()

    def _prepare(self, seed: int) -> None:
        """Make the input."""
        self._job.source.write_bytes(hard_lines(_LINES, seed))

    def _check_done(self) -> None:
        """Compare what was made with what an undisturbed run makes."""
        assert self._job.left() == ["in.txt", "out.parquet"]
        assert_same_content(self._job.output, self._expected)

    def _is_done(self) -> bool:
        return self._job.output.exists() and not self._job.journal.exists()

    def _run(self, to_be_killed: bool) -> None:
        all_but_done = self._job.output.exists()
        before = self._job.commits()
        process = self._job.start()
        if to_be_killed:
            self._wait_some_time(process)
            process.kill()
        outcome = outcome_of(process)
        assert outcome.code in {_DONE, _KILLED}, outcome.err
        self.kills += outcome.code == _KILLED
        if all_but_done:
            assert "resuming" not in outcome.err
            return
        after = [] if self._job.output.exists() else self._job.commits()
        self._check_resuming(outcome, before, after)
        if after:
            self._take_note(outcome, [commit["rows"] for commit in after])

    def _wait_some_time(self, process: subprocess.Popen[str]) -> None:
        """Until a moment of its start, or mostly of its work, which goes by its commits."""
        if self._random.random() < _KILLS_AT_START:
            time.sleep(self._random.uniform(0, self._start_takes))
            return
        commits = self._random.randrange(4)
        size, wanted = self._journal_size(), len(self._job.commits()) + commits
        while process.poll() is None and (
            self._journal_size() <= size or len(self._job.commits()) < wanted
        ):
            time.sleep(0.002)
        time.sleep(self._random.uniform(0, _MOST_SECONDS_MORE))

    def _journal_size(self) -> int:
        try:
            return self._job.journal.stat().st_size
        except FileNotFoundError:
            return 0

    def _take_note(self, outcome: Outcome, committed: list[int]) -> None:
        told = re.findall(r"([\d,]+) rows, ", outcome.err)
        done = int(told[-1].replace(",", "")) if told else 0
        self.most_lost = max(self.most_lost, done - committed[-1])
        between = [right - left for left, right in pairwise([0, *committed])]
        self.most_between_commits = max(self.most_between_commits, *between)

    def _check_resuming(
        self, outcome: Outcome, before: list[dict[str, Any]], after: list[dict[str, Any]]
    ) -> None:
        """Nothing that was committed is lost, nor done again."""
        if after:
            assert after[: len(before)] == before
        said = self._said(outcome)
        if said or len(after) > len(before) or outcome.code == _DONE:
            assert said == (self._place(before[-1]) if before else None)

    def _said(self, outcome: Outcome) -> object:
        """Where the run said that it resumes."""
        return resuming(outcome)

    def _place(self, last: dict[str, Any]) -> object:
        """Where it had to, as `_said` has it."""
        return last["rows"] + 1, last["checkpoint"]["position"]["line"]
