"""What a run must know to resume goes into the journal and comes out as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_cli.inputs.fingerprint import Fingerprint
from llama_cli.inputs.sequence import InputState, Position
from llama_cli.output.durable.journal import VERSION, Commit, RunHeader
from llama_cli.run.checkpoint import Checkpoint, InputReference, RunIdentity, RunSpec
from llama_cli.run.counts import Counts

IDENTITY = RunIdentity(
    format_version=2,
    model="5eed" * 16,
    pooling="mean",
    normalize=True,
    max_length=256,
    closing_token="auto",
    prompt="",
    dimension=32,
    layer_norm=False,
    arithmetic="our own kernels",
    dtype="float32",
    vector_type="fixed",
    columns=("text", "text_hash", "embedding"),
    column_types=(),
    formats=("text",),
    limit=None,
)
SPEC = RunSpec(
    identity=IDENTITY,
    inputs=(InputReference("a.txt", "/texts/a.txt", ""), InputReference("b", "s3://b/b", "v1")),
    report="/texts/report.jsonl",
    command=("llama-cli", "embed", "a.txt", "s3://b/b"),
    folder="/texts",
)
FIRST = Checkpoint(
    spec=SPEC,
    counts=Counts(rows=10, skipped=1, tokens=50, bytes_read=100),
    inputs=InputState(Position(1, 4, 40), "ab" * 16, (Fingerprint(60, "cd" * 16),)),
    report_bytes=200,
)
SECOND = Checkpoint(
    spec=SPEC,
    counts=Counts(rows=20, skipped=1, bad_rows=2, truncated=3, tokens=99, bytes_read=150),
    inputs=InputState(
        Position(2, 1, 5), "ef" * 16, (Fingerprint(60, "cd" * 16), Fingerprint(70, "", "v1"))
    ),
    report_bytes=None,
)
OTHER: dict[str, tuple[Any, str]] = {
    "format_version": (3, "format version: 2 then, 3 now"),
    "model": ("0123456789ab" + "cd" * 26, "model: 5eed5eed5eed… then, 0123456789ab… now"),
    "pooling": ("cls", "pooling: mean then, cls now"),
    "closing_token": ("no", "closing token: auto then, no now"),
    "arithmetic": ("on the GPU", "arithmetic: our own kernels then, on the GPU now"),
    "normalize": (False, "normalization: on then, off now"),
    "max_length": (255, "maximum length: 256 then, 255 now"),
    "prompt": ("query: ", "prompt: none then, query:  now"),
    "dimension": (8, "width of the vectors: 32 then, 8 now"),
    "layer_norm": (True, "layer norm before truncation: off then, on now"),
    "dtype": ("float16", "type of the numbers: float32 then, float16 now"),
    "vector_type": ("list", "type of the vectors: fixed then, list now"),
    "columns": (
        ("text", "line"),
        "set of columns: text, text_hash, embedding then, text, line now",
    ),
    "column_types": (("string",), "types of columns: none then, string now"),
    "formats": (("csv", "text"), "way of reading: text then, csv, text now"),
    "limit": (9, "limit: none then, 9 now"),
}


def header_of(spec: RunSpec) -> RunHeader:
    return RunHeader(
        "ab" * 16, datetime.now(UTC), resumable=True, spec=through_json(spec.to_json())
    )


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def commit_of(checkpoint: Checkpoint, since: Checkpoint | None) -> Commit:
    values = through_json(checkpoint.to_json(since))
    return Commit(checkpoint.counts.rows, 1000, datetime.now(UTC), values)


def test_it_comes_back_from_one_commit_and_from_several() -> None:
    header = header_of(SPEC)
    assert Checkpoint.from_commits(header, []) is None
    assert Checkpoint.from_commits(header, [commit_of(FIRST, None)]) == FIRST
    commits = [commit_of(FIRST, None), commit_of(SECOND, FIRST)]
    assert Checkpoint.from_commits(header, commits) == SECOND


def test_inputs_that_a_commit_has_told_of_are_not_told_again() -> None:
    told = [commit_of(FIRST, None), commit_of(SECOND, FIRST), commit_of(SECOND, SECOND)]
    assert [len(commit.checkpoint["finished"]) for commit in told] == [1, 1, 0]
    assert Checkpoint.from_commits(header_of(SPEC), told) == SECOND


def test_a_run_that_is_not_resumable_has_none() -> None:
    header = replace(header_of(SPEC), resumable=False)
    assert Checkpoint.from_commits(header, [commit_of(FIRST, None)]) is None


def test_a_writer_alone_says_nothing_of_itself() -> None:
    spec = RunSpec.from_json(RunHeader("ab" * 16, datetime.now(UTC)).spec)
    assert (spec, spec.input) == (RunSpec(), None)


@pytest.mark.parametrize("identity", [IDENTITY, None])
def test_a_run_comes_back(identity: RunIdentity | None) -> None:
    spec = replace(SPEC, identity=identity)
    assert RunSpec.from_json(through_json(spec.to_json())) == spec


@given(st.text(), st.lists(st.text()), st.integers(0, 2**63), st.none() | st.integers(0, 2**63))
def test_any_names_and_numbers_come_back(
    name: str, words: list[str], number: int, size: int | None
) -> None:
    file = InputReference(name, name, name)
    spec = replace(SPEC, inputs=(file,), command=tuple(words), folder="\udce4\udcff")
    state = InputState(Position(0, number, number), name, ())
    checkpoint = Checkpoint(spec, Counts(rows=number, tokens=number), state, size)
    assert Checkpoint.from_commits(header_of(spec), [commit_of(checkpoint, None)]) == checkpoint


@pytest.mark.parametrize("part", OTHER)
def test_what_differs_is_said_in_words(part: str) -> None:
    value, words = OTHER[part]
    assert IDENTITY.difference(replace(IDENTITY, **{part: value})) == words


def test_identities_that_are_the_same() -> None:
    assert len(OTHER) == len(RunIdentity.__dataclass_fields__)
    assert IDENTITY.difference(replace(IDENTITY)) is None


def test_a_report_is_resumed_only_where_it_is_the_same() -> None:
    assert FIRST.report_position(SPEC) == 200
    assert FIRST.report_position(replace(SPEC, report="/texts/other.jsonl")) is None


def test_the_format() -> None:
    """Where this has to change, the journal's `VERSION` has to be raised."""
    assert VERSION == 3
    assert through_json(FIRST.to_json(None)) == {
        "counts": {
            "rows": 10,
            "skipped": 1,
            "bad_rows": 0,
            "truncated": 0,
            "invalid_utf8": 0,
            "duplicates": 0,
            "without_vector": 0,
            "tokens": 50,
            "bytes_read": 100,
        },
        "position": {"input_index": 1, "line": 4, "offset": 40},
        "digest": "ab" * 16,
        "finished": [[60, "cd" * 16, ""]],
        "report_bytes": 200,
    }
    assert through_json(SPEC.to_json()) == {
        "identity": {
            "format_version": 2,
            "model": "5eed" * 16,
            "pooling": "mean",
            "normalize": True,
            "max_length": 256,
            "closing_token": "auto",
            "prompt": "",
            "dimension": 32,
            "layer_norm": False,
            "arithmetic": "our own kernels",
            "dtype": "float32",
            "vector_type": "fixed",
            "columns": ["text", "text_hash", "embedding"],
            "column_types": [],
            "formats": ["text"],
            "limit": None,
        },
        "inputs": [["a.txt", "/texts/a.txt", ""], ["b", "s3://b/b", "v1"]],
        "report": "/texts/report.jsonl",
        "command": ["llama-cli", "embed", "a.txt", "s3://b/b"],
        "folder": "/texts",
    }
