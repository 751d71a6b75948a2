"""The journal of a run: who it is, and up to where its work is safe.

One line of JSON an entry, each behind a checksum that covers the line and, through the checksum
before it, all earlier ones. So a line that was torn, altered, lost or doubled ends the journal
where it stands, and what comes before it can be trusted.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

import xxhash

VERSION = 1

# How a first line begins; enough to tell a damaged journal from somebody else's file.
_LOOKS_LIKE = re.compile(rb'[0-9a-f]{16} \{"journal": \d+, "run": "')
_BEGINNING = b'0123456789abcdef {"journal": 1, "run": "'


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What a run is.

    Attributes:
        run_id: 32 hex digits, in the finished file's footer as well.
        started_at: when it first began.
        identity: what determines its rows, by name; None where it cannot be resumed.
        about: for people: the command, its folder, its input.
    """

    run_id: str
    started_at: datetime
    identity: dict[str, Any] | None = None
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """A process that worked on the run.

    Attributes:
        pid: its number.
        host: the machine it ran on.
    """

    pid: int
    host: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Work that is safe.

    Attributes:
        rows: rows of the file up to here.
        end: bytes of the file up to here.
        at: when it was made safe.
        state: what the run needs to resume from here.
    """

    rows: int
    end: int
    at: datetime
    state: dict[str, Any]


@dataclass(slots=True)
class Journal:
    """The entries of a journal, as far as they can be trusted.

    Attributes:
        header: None where not even the first line is whole.
        session: the last process that worked on the run.
        commits: in order.
        size: bytes that are whole.
        checksum: of the last entry.
        damaged: whether more than a torn last line follows.
    """

    header: RunHeader | None = None
    session: Session | None = None
    commits: list[Commit] = field(default_factory=list)
    size: int = 0
    checksum: str = ""
    damaged: bool = False

    def encode(self, entry: RunHeader | Session | Commit) -> bytes:
        """Take an entry and return its line."""
        text = json.dumps(_to_json(entry))  # ASCII only: names may hold bytes that are not UTF-8
        self.checksum = _chained(self.checksum, text.encode())
        line = f"{self.checksum} {text}\n".encode()
        self._take(entry)
        self.size += len(line)
        return line

    def _take(self, entry: RunHeader | Session | Commit) -> None:
        if isinstance(entry, RunHeader):
            self.header = entry
        elif isinstance(entry, Session):
            self.session = entry
        else:
            self.commits.append(entry)

    @classmethod
    def decode(cls, data: bytes, data_size: float = inf) -> Journal:
        """Read a journal up to the first line that is not whole or speaks of rows not there.

        Args:
            data: all of it.
            data_size: bytes of rows that there are.

        Raises:
            ValueError: a later version of this program wrote it.
        """
        journal = cls()
        while (end := data.find(b"\n", journal.size)) >= 0:
            checksum, _, text = data[journal.size : end].partition(b" ")
            if checksum.decode("latin-1") != _chained(journal.checksum, text):
                break
            entry = _from_json(json.loads(text))
            if isinstance(entry, RunHeader) != (journal.header is None):
                break
            if isinstance(entry, Commit) and entry.end > data_size:
                break
            journal._take(entry)
            journal.checksum = checksum.decode("ascii")
            journal.size = end + 1
        # Bytes of zero are what some file systems leave of an append cut short by a power failure.
        rest = data[journal.size :].rstrip(b"\0")
        journal.damaged = b"\n" in rest
        return journal


def looks_like_journal(data: bytes) -> bool:
    """Whether these are the first bytes of a journal, or of one cut short."""
    data = data.rstrip(b"\0")
    # Where it was cut short, the rest is taken to be what belongs there.
    return _LOOKS_LIKE.match(data + _BEGINNING[len(data) :]) is not None


def _chained(before: str, text: bytes) -> str:
    return xxhash.xxh3_64_hexdigest(before.encode() + text)


def _to_json(entry: RunHeader | Session | Commit) -> dict[str, Any]:
    if isinstance(entry, RunHeader):
        return {
            "journal": VERSION,
            "run": entry.run_id,
            "started_at": entry.started_at.isoformat(),
            "identity": entry.identity,
            "about": entry.about,
        }
    if isinstance(entry, Session):
        return {"session": {"pid": entry.pid, "host": entry.host}}
    return {
        "commit": {
            "rows": entry.rows,
            "end": entry.end,
            "at": entry.at.isoformat(),
            "state": entry.state,
        }
    }


def _from_json(values: dict[str, Any]) -> RunHeader | Session | Commit:
    if "journal" in values:
        if values["journal"] > VERSION:
            raise ValueError(f"journal of version {values['journal']}")
        started = datetime.fromisoformat(values["started_at"])
        return RunHeader(values["run"], started, values["identity"], values["about"])
    if "session" in values:
        return Session(**values["session"])
    if "commit" not in values:
        raise ValueError(f"a journal with entries of another kind: {', '.join(values)}")
    made = values["commit"]
    at = datetime.fromisoformat(made["at"])
    return Commit(made["rows"], made["end"], at, made["state"])
