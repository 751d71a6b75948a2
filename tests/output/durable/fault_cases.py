"""Every fault at every place of a run, and what becomes of the run when it is started again.

As a program, ``python -m tests.output.durable.fault_cases SCENARIO KIND FOLDER`` prints them as
JSON.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llama_cli.errors import LlamaCliError
from llama_cli.output.durable.journal import Journal
from tests.output.durable.faults import FILLER, Faults, How, attempt, describe, in_fork
from tests.output.durable.runs import ROWS, journal_of, open_writer, partial_of, run, run_until
from tests.torture import TORTURE

OLDER = b"an older file"
# With so much in every commit the journal is larger than the data.
PADDING = 6000


def write_alone(out: Path, on_commit: Callable[[int], object] = bool) -> None:
    """What a user of the library does."""
    with open_writer(out) as writer:
        for row in range(0, len(ROWS), 25):
            writer.write_batch(ROWS[row : row + 25])
            writer.commit()


def prepare_older(out: Path) -> None:
    out.write_bytes(OLDER)


def prepare_killed(out: Path) -> None:
    """Killed amid a segment, and then again while it added to the journal."""
    in_fork(lambda _: run_until(out, 3, lambda _: os.kill(os.getpid(), signal.SIGKILL)))
    with journal_of(out).open("ab") as file:
        file.write(b'0123456789abcdef {"commit": {"rows": 40, "e')


def prepare_renamed(out: Path) -> None:
    """Killed between the last rename and the removal of the journal."""
    kept: list[bytes] = []
    run(out, on_commit=lambda _: kept.append(journal_of(out).read_bytes()))
    journal_of(out).write_bytes(kept[-1])


run_padded = functools.partial(run, padding=PADDING)
run_anew = functools.partial(run, restart=True)

# What is there before, what is done then, and what is done to resume.
SCENARIOS: dict[str, tuple[Callable[[Path], object], Callable[..., None], Callable[..., None]]] = {
    "begin": (prepare_older, run, run),
    "resume": (prepare_killed, run, run),
    "restart": (prepare_killed, run_anew, run),
    "renamed": (prepare_renamed, run, run),
    "alone": (prepare_older, write_alone, write_alone),
    "padded": (bool, run_padded, run_padded),
}


def trials(kind: str, calls: list[str], size: int) -> Iterator[tuple[How, int, str]]:
    """What goes wrong, where, and the name of that."""
    if kind == "calls":
        errors = [How.REFUSED, How.FAILED, How.READ_ONLY]
        for number, name in enumerate(calls, start=1):
            yield How.KILLED, number, name
            # Every commit makes the same eight calls, so that in turn each gets each error. To be
            # killed after a call is to be killed before the next.
            turn = errors[number % 3 :][:1]
            for how in [*errors, How.KILLED_AFTER] if TORTURE else turn:
                yield how, number, name
            if name == "write":
                yield How.HALFWAY, number, name
                yield How.SHORT, number, name
    elif kind == "sizes":
        for number in range(0, size, size // (600 if TORTURE else 30)):
            yield How.LIMIT, number, "size"
            yield How.KILLED_AT_SIZE, number, "size"
    else:
        for number in range(size // 4096 + 2):
            yield How.FULL, number, "pages"


def kept(out: Path) -> int:
    """Rows that the files have by what the journal says."""
    if not journal_of(out).exists() or not partial_of(out).exists():
        return 0
    size = partial_of(out).stat().st_size
    commits = Journal.decode(journal_of(out).read_bytes()).commits
    return max((commit.rows for commit in commits if commit.end <= size), default=0)


def what_is_in(folder: Path, finished: bytes) -> dict[str, str]:
    found = {}
    for entry in folder.iterdir():
        content = entry.read_bytes()
        sizes = {finished: "finished", OLDER: "older"}
        found[entry.name] = sizes.get(content, f"{len(content)} bytes")
    return found


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path / "out.parquet"


def cases(scenario: str, kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    prepare, work, resume = SCENARIOS[scenario]
    work(whole := make_folder(folder / "whole"))
    finished = whole.read_bytes()
    prepare(before := make_folder(folder / "before"))
    out = folder / "tried" / "out.parquet"

    def make_ready() -> None:
        shutil.rmtree(out.parent, ignore_errors=True)
        shutil.copytree(before.parent, out.parent)

    make_ready()
    calls = attempt(work, out, Faults())[1]["calls"]
    if scenario == "restart" and not TORTURE:
        calls = calls[:20]  # all that follows is what "begin" does
    size = len(finished) if scenario != "padded" else 5 * PADDING
    for how, number, name in trials(kind, calls, size):
        make_ready()
        commits, told = attempt(work, out, Faults(how, number))
        (out.parent / FILLER).unlink(missing_ok=True)
        case = {
            "how": how,
            "where": f"{number}: {name}",
            "committed": max(commits, default=0),
            "told": told,
            "left": what_is_in(out.parent, finished),
            "kept": kept(out),
        }
        started: list[int] = []
        error = None
        try:
            resume(out, on_commit=started.append)
        except LlamaCliError as caught:
            error = describe(caught)
        yield case | {
            "started": started[0] if started else None,
            "error": error,
            "after": what_is_in(out.parent, finished),
        }


if __name__ == "__main__":
    print(json.dumps(list(cases(sys.argv[1], sys.argv[2], Path(sys.argv[3])))))
