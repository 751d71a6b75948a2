"""What an earlier run has left beside an output: its work, debris, or somebody else's files."""

from __future__ import annotations

import logging
import stat
from pathlib import Path
from typing import Any

from llama_cli.errors import OutputRefusedError, ParquetError
from llama_cli.output.durable.data_file import DataFile
from llama_cli.output.durable.journal import Journal, RunHeader, looks_like_journal
from llama_cli.output.durable.target import Output, Target
from llama_cli.output.provenance import Provenance

log = logging.getLogger(__name__)


def read_leftover(found: bytes, journal_path: Path, data: Path) -> Journal:
    """The journal as it was left, less what it says of rows that are not there.

    Args:
        found: all of the journal, which is locked.
        journal_path: its name.
        data: the rows, which may be missing.

    Returns:
        A journal without header where there is nothing to resume from.

    Raises:
        OutputRefusedError: one of the files is not of this program, or no longer.
    """
    size = _size_of_regular(data)
    if not looks_like_journal(found):
        raise _in_the_way(journal_path, "is not a journal of this program")
    try:
        journal = Journal.decode(found, size)
    except ValueError as error:
        raise _in_the_way(journal_path, "was written by a later version of this program") from error
    if size and not found.strip(b"\0"):
        raise _in_the_way(data, "has no journal that says what it is")
    resumable = journal.header is not None and journal.header.identity is not None
    if size and (journal.header is None or (resumable and _has_lost_all(journal))):
        raise OutputRefusedError(
            f"{journal_path} is damaged from its first lines, so {data.name} cannot be used",
            path=journal_path,
            hint="remove both files to start anew",
        )
    if size and resumable and journal.damaged:
        rows = journal.commits[-1].rows
        log.warning("%s: is damaged; only the first %d rows can be used", journal_path, rows)
    return journal


def _has_lost_all(journal: Journal) -> bool:
    """Whether there were commits, and none can be trusted."""
    return journal.damaged and not journal.commits


def find_finished(header: RunHeader | None, target: Target, data: DataFile) -> Provenance | None:
    """The finished output of a run that was killed before it could remove its journal."""
    if header is None:
        return None
    try:
        made = target.read_finished(data)
    except ParquetError:
        return None
    return made if made and made.run_id == header.run_id else None


def refuse_other_run(output: Output, before: dict[str, Any], now: dict[str, Any] | None) -> None:
    """Refuse to resume the work of a run that would have made other rows.

    Raises:
        OutputRefusedError: naming what differs first.
    """
    hint = "use the same again to resume, or discard that work with `restart`"
    begun = f"{output}: an unfinished run is there"
    path = output if isinstance(output, Path) else None
    if now is None:
        raise OutputRefusedError(f"{begun}, which this one cannot resume", path=path, hint=hint)
    for name in {**now, **before}:
        if before.get(name) != now.get(name):
            difference = f"{name}: {_short(before.get(name))} then, {_short(now.get(name))} now"
            raise OutputRefusedError(f"{begun}, with another {difference}", path=path, hint=hint)


def _short(value: object) -> str:
    if value in (None, ""):
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) < 64 else f"{text[:12]}…"  # noqa: PLR2004 - a sha256


def _size_of_regular(data: Path) -> int:
    try:
        status = data.lstat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(status.st_mode):
        raise _in_the_way(data, "is not a regular file")
    return status.st_size


def _in_the_way(path: Path, why: str) -> OutputRefusedError:
    return OutputRefusedError(
        f"{path} is in the way and {why}", path=path, hint="move it elsewhere"
    )
