"""Opening an engine in a worker process, and texts for it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from llama_cli.engine.options import EmbedderOptions, EngineOptions
from llama_cli.engine.worker.engine import WorkerEngine
from llama_cli.records import TextRecord

VERY_LONG = "water time " * 15_000
"""Takes the slow model half a minute."""


def engine_options(path: Path, **options: object) -> EngineOptions:
    embedder = EmbedderOptions(**{"threads": 2, **options})  # type: ignore[arg-type]
    return EngineOptions(path, "0" * 64, "cpu", None, embedder)


@contextlib.contextmanager
def open_engine(path: Path, **options: object) -> Iterator[WorkerEngine]:
    with WorkerEngine() as engine:
        engine.open(engine_options(path, **options))
        yield engine


def records(texts: Iterable[str]) -> Iterator[TextRecord]:
    for line, text in enumerate(texts, start=1):
        yield TextRecord(text.encode(), line, 0)


def numbered(count: int) -> list[str]:
    """Texts that all differ, in length as well."""
    return [f"water {number} {'time ' * (number % 9)}" for number in range(count)]


def process_id(engine: WorkerEngine) -> int:
    return engine._worker._process.pid


def is_running(pid: int) -> bool:
    """Whether a process computes or might; one that nobody has waited for has ended, too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] not in "ZX"
    return not Path("/proc/self/stat").exists()


def has_ended(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_running(pid)


class Stop:
    """Stops an engine from another thread, and knows how long that took to be heard."""

    def __init__(self, engine: WorkerEngine, delay: float) -> None:
        self._engine = engine
        self._asked = float("inf")
        self._timer = threading.Timer(delay, self._stop)
        self._timer.daemon = True  # it must not keep the tests waiting where it was not needed
        self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()

    @property
    def seconds(self) -> float:
        """Time since it was asked to; negative before that."""
        return time.monotonic() - self._asked

    def _stop(self) -> None:
        self._asked = time.monotonic()
        self._engine.stop()
