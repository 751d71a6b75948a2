"""More of what is not right yet: what others do to inputs while they are read."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from tests.run.many import ManyJob
from tests.run.runs import outcome_of


def test_two_pipes_that_are_written_one_after_the_other(folder: Path, tiny_bert: Path) -> None:
    """Looking at the second waits for its writer, who waits for the first one to be read."""
    names = (folder / "one", folder / "two")
    for name in names:
        os.mkfifo(name)

    def write() -> None:
        for name in names:
            with contextlib.suppress(BrokenPipeError), name.open("wb") as pipe:
                pipe.write(b"water and time\n" * 100_000)

    threading.Thread(target=write, daemon=True).start()
    process = ManyJob(folder, tiny_bert, names=("one", "two")).start("--limit", 9)
    try:
        process.wait(5)
    finally:
        process.kill()
    assert outcome_of(process).code == 0
