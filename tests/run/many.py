"""Runs over several inputs: like those over one, with a report and names of their own."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.run.checks import footer
from tests.run.runs import Job, Outcome

REPORT = ("--report", "../report.jsonl")


@dataclass(frozen=True)
class ManyJob(Job):
    """A run over several inputs in its folder; `name` is not one of them."""

    names: tuple[str, ...] = ("in",)

    @property
    def inputs(self) -> Path:
        return self.folder / "in"

    @property
    def report(self) -> Path:
        return self.folder.parent / "report.jsonl"

    def words(self, *more: object) -> list[str]:
        begin, _, *rest = super().words(*more)
        return [begin, *self.names, *rest]

    def finish(self, *more: object) -> Outcome:
        """Run to a good end, which leaves the output and nothing beside it."""
        outcome = self.run(*more)
        assert outcome.code == 0, outcome.err
        self.assert_done()
        return outcome

    def assert_done(self) -> None:
        assert self.output.exists()
        assert not self.partial.exists()
        assert not self.journal.exists()

    def reported(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.report.read_text("utf-8").splitlines()]


def make_job(folder: Path, model: Path, *options: str, files: dict[str, bytes]) -> ManyJob:
    job = ManyJob(folder, model, options)
    for name, data in files.items():
        path = job.inputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return job


def numbered(word: str, count: int) -> bytes:
    """Texts that are all different, the last one without its end."""
    return "\n".join(f"{word} and time {number}" for number in range(count)).encode()


def resuming_after(outcome: Outcome) -> tuple[int, str, int] | None:
    """The row, and the input and the line before, that a resumed run said it resumes from."""
    found = re.search(r"resuming at row (\d+), after (.*), (?:line|row) (\d+)\n", outcome.err)
    return (int(found[1]), found[2], int(found[3])) if found else None


def last_position(job: Job) -> tuple[int, int, int]:
    """Row, number of the input and line of the last commit."""
    last = job.commits()[-1]
    position = last["checkpoint"]["position"]
    return last["rows"], position["input_index"], position["line"]


def counts(path: Path, *names: str) -> list[int]:
    made = footer(path)
    return [made[name] for name in names or ("rows", "skipped", "bad_rows")]


def as_named(names: Sequence[str], folder: str = "in") -> list[str]:
    return [f"{folder}/{name}" for name in names]


def objects(count: int, blank: bool = False) -> bytes:
    lines = [
        json.dumps({"text": f"water {n}", "author": f"A{n}", "title": f"T{n}"})
        for n in range(count)
    ]
    return ("\n\n" if blank else "\n").join(lines).encode()


def write_into_pipe(job: ManyJob, data: bytes) -> threading.Thread:
    def write() -> None:
        with (job.folder / "pipe").open("wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread
