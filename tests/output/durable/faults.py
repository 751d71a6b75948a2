"""A process of its own for a run, in which one thing goes wrong.

It is forked, since to start Python and Arrow takes far longer than such a run.
"""

from __future__ import annotations

import errno
import io
import json
import os
import resource
import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import llama_cli.output.durable.segments
from llama_cli.errors import ParquetError

FILLER = "filler"


class How(StrEnum):
    """What goes wrong, at a numbered call or size."""

    NOTHING = "nothing"
    KILLED = "killed before a call"
    KILLED_AFTER = "killed after a call"
    HALFWAY = "killed halfway through a write"
    SHORT = "a write that writes half"
    REFUSED = "a call refused for want of room"
    FAILED = "a call that fails when it has had its effect"
    READ_ONLY = "a file system read-only from a call on"
    LIMIT = "files may not become larger"
    KILLED_AT_SIZE = "killed when a file would become larger"
    FULL = "a disk with so many pages of room"


class Faults:
    """Stands between the output and the system, counts the calls, and spoils one."""

    def __init__(self, how: How = How.NOTHING, number: int = 0) -> None:
        self.how = how
        self.number = number
        self.names: list[str] = []

    def install(self, folder: Path) -> None:
        """For good: this process is there for a single run."""
        if self.how in {How.LIMIT, How.KILLED_AT_SIZE}:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.number, self.number))
            ends = signal.SIG_DFL if self.how is How.KILLED_AT_SIZE else signal.SIG_IGN
            signal.signal(signal.SIGXFSZ, ends)
        if self.how is How.FULL:
            fill(folder / FILLER, self.number)
        for name in ("open", "ftruncate", "replace", "unlink"):
            setattr(os, name, self.spoil(name, getattr(os, name)))
        os.fsync = self.spoil("fsync", os.fstat)  # a killed process needs no more
        io.FileIO = self.spoiled_file()  # type: ignore[misc]
        output = llama_cli.output.durable.segments
        output.open_segment = self.spoil("open segment", output.open_segment)
        pq.ParquetWriter.write_table = self.spoil("write rows", pq.ParquetWriter.write_table)
        pq.ParquetWriter.close = self.spoil("write footer", pq.ParquetWriter.close)

    def spoil(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.names.append(name)
            now = len(self.names) == self.number
            if self.how is How.READ_ONLY and len(self.names) >= self.number:
                raise OSError(errno.EROFS, "spoiled")
            if now and self.how is How.REFUSED:
                raise OSError(errno.ENOSPC, "spoiled")
            if now and self.how is How.KILLED:
                os.kill(os.getpid(), signal.SIGKILL)
            if now and self.how in {How.HALFWAY, How.SHORT}:
                args = (args[0][: len(args[0]) // 2],)
            result = real(*args, **options)
            if now and self.how in {How.HALFWAY, How.KILLED_AFTER}:
                os.kill(os.getpid(), signal.SIGKILL)
            if now and self.how is How.FAILED:
                raise OSError(errno.EIO, "spoiled")
            return result

        return call

    def spoiled_file(self) -> type[io.FileIO]:
        faults = self

        class File(io.FileIO):
            def write(self, data: Any) -> int:
                return int(faults.spoil("write", super().write)(data))

        return File


def fill(filler: Path, pages: int) -> None:
    """Fill a disk up to a few pages."""
    page = resource.getpagesize()
    with filler.open("wb", 0) as file:
        try:
            while True:
                file.write(bytes(page))
        except OSError:
            file.truncate(max(0, file.tell() // page - pages) * page)


def in_fork(work: Callable[[Callable[[Any], None]], object]) -> list[Any]:
    """Do it in a process of its own; returns what it told until it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            work(lambda what: os.write(writing, json.dumps(what).encode() + b"\n") and None)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        told = [json.loads(line) for line in file]
    os.waitpid(pid, 0)
    return told


def attempt(work: Callable[..., None], out: Path, faults: Faults) -> tuple[list[int], Any]:
    """Run with faults.

    Returns:
        Rows at the start and at each commit; and, if it lived to tell, its calls and its error.
    """

    def child(tell: Callable[[Any], None]) -> None:
        faults.install(out.parent)
        error = None
        try:
            work(out, on_commit=tell)
        except BaseException as caught:  # noqa: BLE001 - whatever it is, the test wants to know
            error = describe(caught)
        tell({"calls": faults.names, "error": error})

    told = in_fork(child)
    last = told.pop() if told and isinstance(told[-1], dict) else None
    return told, last


def describe(error: BaseException) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "path": str(error.path) if isinstance(error, ParquetError) else None,
        "hint": getattr(error, "hint", None),
        "committed_rows": getattr(error, "committed_rows", None),
    }
