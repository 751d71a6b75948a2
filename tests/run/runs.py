"""The installed command as real processes: begun, watched, killed, and begun again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.run.programs import COMMAND, HELD

# For machines that are busy with other things; nothing here should take as long.
PATIENCE = 60.0
# Those that a test has left behind are killed after it.
started: list[subprocess.Popen[str]] = []


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Job:
    """One command line, run in a folder that holds its input and its output only."""

    folder: Path
    model: Path | None
    options: tuple[str, ...] = ()
    name: str = "in.txt"
    program: tuple[str, ...] = (str(COMMAND),)

    @property
    def source(self) -> Path:
        return self.folder / self.name

    @property
    def output(self) -> Path:
        return self.folder / "out.parquet"

    @property
    def partial(self) -> Path:
        return self.folder / "out.parquet.partial"

    @property
    def journal(self) -> Path:
        return self.folder / "out.parquet.journal"

    def words(self, *more: object) -> list[str]:
        model = [] if self.model is None else ["-m", str(self.model)]
        return ["embed", self.name, "-o", "out.parquet", *model, *self.options, *map(str, more)]

    def start(self, *more: object, **options: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        command = [*self.program, *self.words(*more)]
        process = subprocess.Popen(command, cwd=self.folder, text=True, **options)
        started.append(process)
        return process

    def start_held(
        self, *more: object, program: tuple[str, ...] = HELD, **options: Any
    ) -> subprocess.Popen[str]:
        """Run it until reading stops at a line, another row is committed and more are ready."""
        held = replace(self, program=program)
        # With one thread only a few decodes are begun before the first is told of.
        process = held.start("--commit-interval", 0, "--threads", 1, *more, **options)
        self.wait_for_commits(process, len(self.commits()) + 1)
        return process

    def release(self) -> None:
        """Let a held run resume."""
        (self.folder.parent / "go").touch()

    def run(self, *more: object, **options: Any) -> Outcome:
        return outcome_of(self.start(*more, **options))

    def finish(self, *more: object) -> Outcome:
        """Run to a good end, which leaves the output and nothing beside it."""
        outcome = self.run(*more)
        assert outcome.code == 0, outcome.err
        assert self.left() == ["in.txt", "out.parquet"]
        return outcome

    def copy(self, name: str) -> Job:
        """The same in another folder, with all that is there."""
        folder = self.folder.parent / name / "work"
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def unfinished(self) -> tuple[bytes, bytes]:
        """The two files of an unfinished run, byte for byte."""
        return self.partial.read_bytes(), self.journal.read_bytes()

    def commits(self) -> list[dict[str, Any]]:
        """The commits in the journal; empty where there is none."""
        try:
            *lines, _torn = self.journal.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        entries = [json.loads(line.split(b" ", 1)[1]) for line in lines]
        return [entry["commit"] for entry in entries if "commit" in entry]

    def wait_for_commits(self, process: subprocess.Popen[str], count: int = 1) -> None:
        wait_until(lambda: len(self.commits()) >= count, process)


def outcome_of(process: subprocess.Popen[str]) -> Outcome:
    out, err = process.communicate(timeout=PATIENCE)
    return Outcome(process.returncode, out or "", err or "")


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for something that the process is to bring about while it runs."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.002)


def children(pid: int) -> list[int]:
    """Processes that were started by this one and have not been waited for."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text("utf-8").rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(status.parent.name))
    return found


def resuming(outcome: Outcome) -> tuple[int, int] | None:
    """The row and the line that a resumed run said it resumes from."""
    found = re.search(r"resuming at row (\d+), after line (\d+) of in\.txt", outcome.err)
    return (int(found[1]), int(found[2])) if found else None


def signalled(process: subprocess.Popen[str], number: int, times: int = 1) -> Outcome:
    """Send a signal, which ends the process soon and with one line."""
    for _ in range(times):
        process.send_signal(number)
    sent = time.monotonic()
    outcome = outcome_of(process)
    assert time.monotonic() - sent < 10
    # A second one that comes when all is said ends the process as if it had been the first.
    assert outcome.code in ({128 + number} if times == 1 else {128 + number, -number}), outcome
    assert outcome.err.count("llama-cli: error: ") == 1
    assert "Traceback" not in outcome.err
    return outcome


def resume_command(outcome: Outcome) -> str:
    """The command that an interrupted run has printed."""
    found = re.search(r"error: interrupted; [\d,]+ rows? kept; resume with: (.*)\n", outcome.err)
    assert found, outcome.err
    return found[1]


def side_by_side(function: Callable[..., object], *cases: Iterable[object]) -> None:
    """Call it with each of the cases, two at a time: most of a short run is its start."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(function, *cases))


def run_in_shell(command: str, folder: Path) -> Outcome:
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return outcome_of(shell)
