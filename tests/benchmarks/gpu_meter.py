"""What a device and a process's threads do while something runs beside."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_NAP = 0.05


class Utilization:
    """The share of the time in which the NVIDIA driver saw a kernel run; None elsewhere."""

    def __init__(self) -> None:
        self.percent: float | None = None


@contextlib.contextmanager
def utilization() -> Iterator[Utilization]:
    """Samples ``nvidia-smi`` while it lasts; the figure is there afterwards."""
    seen = Utilization()
    program = shutil.which("nvidia-smi")
    if program is None:
        yield seen
        return
    query = [
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "-i",
        "0",
        "-lms",
        "50",
    ]
    meter = subprocess.Popen([program, *query], stdout=subprocess.PIPE, text=True)
    samples: list[int] = []

    def listen() -> None:
        for line in meter.stdout or ():
            with contextlib.suppress(ValueError):
                samples.append(int(line))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield seen
    finally:
        meter.kill()
        listener.join()
        # The driver reports the last sixth of a second or so: what was before does not count.
        seen.percent = statistics.mean(samples[4:]) if len(samples) > 6 else None


def thread_seconds(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """CPU seconds of each thread of a process and its children, until the process ends."""
    seconds: dict[str, float] = {}
    while process.poll() is None:
        for pid in (process.pid, *_children(process.pid)):
            kind = "command" if pid == process.pid else "worker"
            for thread in _listed(Path(f"/proc/{pid}/task")):
                with contextlib.suppress(OSError, ValueError):
                    fields = (thread / "stat").read_text("utf-8").rpartition(") ")[2].split()
                    name = "main thread" if thread.name == str(pid) else f"thread {thread.name}"
                    seconds[f"{kind}, {name}"] = (int(fields[11]) + int(fields[12])) / _TICK
        time.sleep(_NAP)
    return seconds


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [
            int(word)
            for thread in _listed(Path(f"/proc/{pid}/task"))
            for word in (thread / "children").read_text("ascii").split()
        ]
    return []


def _listed(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.iterdir())
    return []
