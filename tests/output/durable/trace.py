"""What a run asks of the system, in order, and what of it would outlast a power failure."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from tests.output.durable.runs import contents, journal_of, partial_of

Files = dict[str, bytes]


class Step(NamedTuple):
    """A call that was made, and how things stood after it."""

    call: str
    file: str
    now: Files
    durable: Files
    committed: int


class Trace:
    """Calls that change the files of an output; Arrow's writes are seen by what they leave."""

    def __init__(self, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = out.parent
        self.names = {partial_of(out).name: "data", journal_of(out).name: "journal"}
        self.steps: list[Step] = []
        self.committed = 0
        # The content of every file when it was last synced, and the names when the folder was.
        self._synced = {path.stat().st_ino: path.read_bytes() for path in self.folder.iterdir()}
        self._durable_names = self._inodes()
        for name in ("ftruncate", "unlink", "replace"):
            monkeypatch.setattr(os, name, self._traced(name, getattr(os, name)))
        monkeypatch.setattr(os, "fsync", self._traced("fsync", self._sync))
        for name in ("write_table", "close"):
            real = getattr(pq.ParquetWriter, name)
            monkeypatch.setattr(pq.ParquetWriter, name, self._traced("rows", real))
        monkeypatch.setattr(io, "FileIO", self._traced_file())

    def note_commit(self, rows: int) -> None:
        """Note that the run was told that so many rows are safe."""
        self.committed = rows

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Calls and files, several writes of rows in a row as one."""
        found = [(step.call, step.file) for step in self.steps]
        pairs = zip(found, [("", ""), *found], strict=False)
        return [call for call, before in pairs if call != before or call[0] != "rows"]

    def _traced(self, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def traced(*args: Any, **options: Any) -> Any:
            before = contents(self.folder)
            file = "data" if call == "rows" else self._name_of(args[0])
            result = real(*args, **options)
            now = contents(self.folder)
            if call != "rows" or now != before:  # the last footer is first made in memory
                self.steps.append(Step(call, file, now, self._durable(), self.committed))
            return result

        return traced

    def _traced_file(self) -> type[io.FileIO]:
        trace, real = self, io.FileIO

        class File(real):  # type: ignore[misc, valid-type]
            def write(self, data: Any) -> int:
                write = trace._traced("write", lambda _: real.write(self, data))
                return int(write(self.fileno()))

        return File

    def _name_of(self, file: int | str | Path) -> str:
        if not isinstance(file, int):
            return self.names[Path(file).name]
        status = os.fstat(file)
        if os.path.samestat(status, self.folder.stat()):
            return "folder"
        (name,) = (name for name, inode in self._inodes().items() if inode == status.st_ino)
        return self.names[name]

    def _sync(self, file: int) -> None:
        if self._name_of(file) == "folder":
            self._durable_names = self._inodes()
        else:
            status = os.fstat(file)
            self._synced[status.st_ino] = os.pread(file, status.st_size, 0)

    def _inodes(self) -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in self.folder.iterdir()}

    def _durable(self) -> Files:
        return {name: self._synced.get(inode, b"") for name, inode in self._durable_names.items()}


def after_power_failure(step: Step, renamed: str) -> Iterator[Files]:
    """What the folder may hold when the power fails at that point.

    Of what was not synced, all, nothing, half, or only the size may have come to the disk.

    Args:
        step: the point.
        renamed: the name that a file gets by a rename, which is done or not, but never half.
    """
    if step.now.get(renamed) != step.durable.get(renamed):
        yield step.durable
        yield step.now
        return
    names = sorted(step.now.keys() | step.durable.keys())
    for choice in itertools.product(*(list(_contents(step, name)) for name in names)):
        yield {
            name: content
            for name, content in zip(names, choice, strict=True)
            if content is not None
        }


def _contents(step: Step, name: str) -> Iterator[bytes | None]:
    now, durable = step.now.get(name), step.durable.get(name)
    yield now
    if now == durable:
        return
    yield durable
    if now is not None:
        same = len(os.path.commonprefix([now, durable or b""]))  # noqa: RUF071 - of bytes
        yield now[:same] + bytes(len(now) - same)
        yield now[: (same + len(now)) // 2]
