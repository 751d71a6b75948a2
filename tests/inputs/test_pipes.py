"""An input that can be read once only gives what the same bytes in a file give."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llama_cli.errors import InputReadError, LlamaCliError
from tests.inputs.reading import Reading

Outcome = tuple[object, ...]

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**53 + 1, 2**64 - 1, 0.5, 4.5, -1e300, "x", "é", [], [1], [1.5], {"a": 1}]),
)
ROWS = st.lists(
    st.dictionaries(st.sampled_from(["text", "body", "id", "n"]), VALUES, max_size=4), max_size=6
)
LINES = st.lists(
    st.sampled_from(["text,n", "id\tbody", '"a b",1', '"open', 'end"', "1,2", "1;x", "", "é,ü"]),
    max_size=6,
)


def outcome(path: Path, **options: Any) -> Outcome:
    """All that a reading gives, or what it is refused with."""
    try:
        reading = Reading(path, **options)
    except LlamaCliError as error:
        return type(error), str(error).replace(str(path), "").partition(": ")[2], error.hint
    return reading.lines_and_texts, reading.carried, reading.schema, reading.left_out


def piped(content: bytes, cuts: list[int], pause: float = 0.0, **options: Any) -> Outcome:
    """The same of these bytes through a pipe, in parts that end at the cuts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipe"
        os.mkfifo(path)
        writer = threading.Thread(target=_write, args=(path, content, cuts, pause), daemon=True)
        writer.start()
        try:
            return outcome(path, **options)
        finally:
            rest = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            while writer.is_alive():  # a refusal leaves what it has not read
                with contextlib.suppress(BlockingIOError):
                    os.read(rest, 1 << 20)
                writer.join(0.001)
            os.close(rest)


def _write(path: Path, content: bytes, cuts: list[int], pause: float) -> None:
    with path.open("wb", buffering=0) as pipe:
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            try:
                pipe.write(content[start:end])
            except BrokenPipeError:
                return
            time.sleep(pause)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    content=st.one_of(
        ROWS.map(lambda rows: "\n".join(map(json.dumps, rows))),
        ROWS.map(lambda rows: json.dumps(rows, indent=1)),
        LINES.map("\n".join),
    ),
    form=st.sampled_from(["jsonl", "json", "csv", "tsv", "text"]),
    keep=st.sampled_from(["", "*", "n"]),
    compressed=st.booleans(),
    skip=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_however_the_bytes_are_divided(
    content: str, form: str, keep: str, compressed: bool, skip: bool, chance: random.Random
) -> None:
    data = content.encode()
    data = gzip.compress(data, mtime=0) if compressed else data
    options = {"format": form, "keep": keep, "on_bad_row": "skip" if skip else "error"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "in"
        file.write_bytes(data)
        expected = outcome(file, **options)
    cuts = sorted(chance.choices(range(len(data) + 1), k=3))
    assert piped(data, cuts, 0.001, **options) == expected


def large(kind: str) -> Iterator[str]:
    """Rows whose first megabyte says little of the rest."""
    for number in range(30_000):
        late = number > 25_000
        if kind == "values":
            yield json.dumps({"text": f"text {number}", "score": 4.5 if late else 1})
        elif kind == "keys":
            yield json.dumps({"text": f"text {number}"} | ({"meta": {"a": number}} if late else {}))
        elif kind == "column":
            yield json.dumps({"id": f"id {number}", "body" if late else "id": f"text {number}"})
        else:
            yield f"{number if number < 9 else 'no number'},text {number}" if number else "id,body"


@pytest.mark.parametrize("kind", ["values", "keys", "column", "csv"])
@pytest.mark.parametrize("first", [1, 30, 1 << 20])
def test_what_comes_late(tmp_path: Path, kind: str, first: int) -> None:
    data = "\n".join(large(kind)).encode()
    options = {"format": "csv" if kind == "csv" else "jsonl", "keep": "*"}
    (tmp_path / "in").write_bytes(data)
    expected = outcome(tmp_path / "in", **options)
    assert piped(data, [min(first, len(data))], 0.05, **options) == expected
    if kind == "values":
        carried = expected[1]
        assert isinstance(carried, list)
        assert [row["score"] for row in carried] == [1.0] * 25_001 + [4.5] * 4_999


def test_where_a_pipe_cannot_be_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=_write, args=(pipe, b'{"text": "a"}\n', [], 0.0), daemon=True)
    writer.start()
    monkeypatch.setenv("TMPDIR", "/dev/full/none")
    monkeypatch.setattr(tempfile, "tempdir", "/dev/full/none")
    found = outcome(pipe, format="jsonl", keep="*")
    assert found[0] is InputReadError
    assert "cannot keep what it gives in /dev/full/none: Not a directory" in str(found[1])
    assert str(found[2]).startswith("name another folder in TMPDIR")
