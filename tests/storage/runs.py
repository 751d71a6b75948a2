"""The installed command on URLs, as real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from llama_cli.output.durable.target import beside
from tests.run.programs import COMMAND, HELD
from tests.run.runs import Outcome, outcome_of, started, wait_until

_RUN = f"""
sys.argv[0] = {str(COMMAND)!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# In the middle of an upload it makes a file ../uploading, and waits.
_STUCK = """
import runpy, sys, time
from llama_cli.storage import buckets

pieces = buckets._pieces

def stuck_pieces(file):
    piece, *_ = pieces(file)
    yield piece[:1000]
    open("../uploading", "w").close()
    time.sleep(300)

buckets._pieces = stuck_pieces
"""
# The disk fails in the middle of an upload.
_UNREADABLE = """
import errno, os, runpy, sys
from llama_cli.storage import buckets

def broken_pieces(file):
    yield file.read_bytes()[:1000]
    raise OSError(errno.EIO, os.strerror(errno.EIO))

buckets._pieces = broken_pieces
"""
# It dies when the upload is done, before it could tidy up.
_DYING = """
import contextlib, os, runpy, signal, sys
from llama_cli.output.durable.target import RemoteTarget

published = RemoteTarget.published

@contextlib.contextmanager
def published_and_killed(target, data):
    with published(target, data):
        os.kill(os.getpid(), signal.SIGKILL)
        yield

RemoteTarget.published = published_and_killed
"""
STUCK = (sys.executable, "-c", _STUCK + _RUN)
UNREADABLE = (sys.executable, "-c", _UNREADABLE + _RUN)
DYING = (sys.executable, "-c", _DYING + _RUN)


@dataclass(frozen=True)
class RemoteJob:
    """One command line, run in a folder of its own."""

    folder: Path
    model: Path
    inputs: tuple[str, ...]
    output: str = "out.parquet"

    @property
    def journal(self) -> Path:
        output = self.output if "://" in self.output else self.folder / self.output
        return beside(output, ".journal")

    def start(
        self, *more: object, program: tuple[str, ...] = (str(COMMAND),)
    ) -> subprocess.Popen[str]:
        words = ["embed", *self.inputs, "-o", self.output, "-m", str(self.model), "--threads", "1"]
        process = subprocess.Popen(
            [*program, *words, *map(str, more)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    def run(self, *more: object, program: tuple[str, ...] = (str(COMMAND),)) -> Outcome:
        return outcome_of(self.start(*more, program=program))

    def start_held(self, *more: object, until: bytes = b'"commit"') -> subprocess.Popen[str]:
        """Begin, and stop reading before line 1000, with some rows safe."""
        process = self.start("--commit-interval", 0, *more, program=HELD)
        wait_until(lambda: until in self._journal_bytes(), process)
        return process

    def die(self, *more: object, until: bytes = b'"commit"') -> bytes:
        """Begin, and be killed; the journal that is left."""
        process = self.start_held(*more, until=until)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return self._journal_bytes()

    def release(self) -> None:
        """Let a held run resume."""
        (self.folder.parent / "go").touch()

    def wait_for(self, name: str, process: subprocess.Popen[str]) -> None:
        wait_until((self.folder.parent / name).exists, process)

    def texts(self) -> list[str]:
        column: list[str] = pq.read_table(self.folder / self.output)["text"].to_pylist()
        return column

    def _journal_bytes(self) -> bytes:
        try:
            return self.journal.read_bytes()
        except FileNotFoundError:
            return b""


def files_below(folder: Path) -> list[str]:
    """Names of all files and folders in a folder and below."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def unfinished_folder() -> Path:
    return Path(os.environ["XDG_CACHE_HOME"]) / "llama-cli" / "unfinished"
