"""All that a run must know to resume, and its way into the journal and back.

The journal has a `RunSpec` in its first line, and a `Checkpoint` in each commit. Whoever changes
what they are written as raises `llama_cli.output.durable.journal.VERSION`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llama_cli.inputs.fingerprint import Fingerprint
from llama_cli.inputs.sequence import InputState, Position
from llama_cli.output.durable.journal import Commit, Json, RunHeader
from llama_cli.run.counts import Counts

# Longer values are shortened in messages, such as a sha256.
_LONG = 64


def _called(words: str) -> Any:
    """A part of the identity, as messages call it."""
    return field(metadata={"words": words})


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What determines the rows of a run, the content of its inputs aside."""

    format_version: int = _called("format version")
    model: str = _called("model")
    pooling: str = _called("pooling")
    normalize: bool = _called("normalization")
    max_length: int = _called("maximum length")
    closing_token: str = _called("closing token")
    prompt: str = _called("prompt")
    dimension: int = _called("width of the vectors")
    layer_norm: bool = _called("layer norm before truncation")
    arithmetic: str = _called("arithmetic")
    dtype: str = _called("type of the numbers")
    vector_type: str = _called("type of the vectors")
    columns: tuple[str, ...] = _called("set of columns")
    column_types: tuple[str, ...] = _called("types of columns")
    formats: tuple[str, ...] = _called("way of reading")
    limit: int | None = _called("limit")

    def difference(self, now: RunIdentity) -> str | None:
        """What is first to differ in another identity, in words; None where they are the same."""
        for part in dataclasses.fields(self):
            before, after = getattr(self, part.name), getattr(now, part.name)
            if before != after:
                return f"{part.metadata['words']}: {_shown(before)} then, {_shown(after)} now"
        return None

    @classmethod
    def from_json(cls, values: Json) -> RunIdentity:
        """Read what `dataclasses.asdict` made of it."""
        parts: Json = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**parts)


def _shown(value: object) -> str:
    if value in (None, "", ()):
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) < _LONG else f"{text[:12]}…"


@dataclass(frozen=True, slots=True)
class InputReference:
    """An input, as it is known again.

    Attributes:
        name: what messages and the output call it.
        address: where it is.
        version: what its server calls its content; empty where only reading it tells.
    """

    name: str
    address: str
    version: str


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run is, as it stands from its beginning.

    Attributes:
        identity: what determines its rows; None where it cannot be resumed.
        inputs: its inputs, in order.
        report: path of its report, or None.
        command: the command line that resumes it; empty where there is none.
        folder: where that is to be run.
    """

    identity: RunIdentity | None = None
    inputs: tuple[InputReference, ...] = ()
    report: str | None = None
    command: tuple[str, ...] = ()
    folder: str | None = None

    @property
    def input(self) -> str | None:
        """The input, or how many there are; None where there is only a writer."""
        if len(self.inputs) > 1:
            return f"{len(self.inputs)} inputs"
        return self.inputs[0].address if self.inputs else None

    def to_json(self) -> Json:
        """For the journal's first line."""
        return {
            "identity": self.identity and dataclasses.asdict(self.identity),
            "inputs": [dataclasses.astuple(file) for file in self.inputs],
            "report": self.report,
            "command": self.command,
            "folder": self.folder,
        }

    @classmethod
    def from_json(cls, values: Json) -> RunSpec:
        """Read what `to_json` made."""
        if not values:
            return cls()
        return cls(
            identity=values["identity"] and RunIdentity.from_json(values["identity"]),
            inputs=tuple(InputReference(*file) for file in values["inputs"]),
            report=values["report"],
            command=tuple(values["command"]),
            folder=values["folder"],
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands, and what it needs to resume from there.

    Attributes:
        spec: what the run is.
        counts: counts of the rows up to there.
        inputs: how far they were read, and what they were.
        report_bytes: size of the report up to there; None where there is none, or it is no file.
    """

    spec: RunSpec
    counts: Counts
    inputs: InputState
    report_bytes: int | None

    def report_position(self, now: RunSpec) -> int | None:
        """Where a report is to be resumed; None where it has nothing about these rows."""
        return self.report_bytes if now.report == self.spec.report else None

    def to_json(self, since: Checkpoint | None) -> Json:
        """For a commit that follows another one: what that has told of inputs is not told again."""
        told = len(since.inputs.finished) if since else 0
        return {
            "counts": dataclasses.asdict(self.counts),
            "position": self.inputs.position._asdict(),
            "digest": self.inputs.digest,
            "finished": self.inputs.finished[told:],
            "report_bytes": self.report_bytes,
        }

    @classmethod
    def from_commits(cls, header: RunHeader, commits: Sequence[Commit]) -> Checkpoint | None:
        """Where the last commit of a journal stands; None where none can be resumed."""
        if not header.resumable or not commits:
            return None
        told = [commit.checkpoint["finished"] for commit in commits]
        last = commits[-1].checkpoint
        return cls(
            spec=RunSpec.from_json(header.spec),
            counts=Counts(**last["counts"]),
            inputs=InputState(
                position=Position(**last["position"]),
                digest=last["digest"],
                finished=tuple(Fingerprint(*file) for files in told for file in files),
            ),
            report_bytes=last["report_bytes"],
        )
