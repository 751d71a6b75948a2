"""No more is read, and nothing is said of what is behind, once there are enough texts."""

from __future__ import annotations

from pathlib import Path

import pytest
import xxhash

from tests.compressors import LIBRARIES
from tests.inputs.conftest import WriteRows
from tests.inputs.reading import Reading
from tests.inputs.writers import FORMATS

TEXTS = ["one", "", "two", None, "three", " ", "four"]


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"in{request.param}"
    FORMATS[request.param]["pandas" if request.param != ".arrow" else "polars stream"](
        {"text": TEXTS, "id": [str(number) for number in range(7)]}, path
    )
    return path


@pytest.mark.parametrize("keep", ["", "id"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_so_many_texts(path: Path, limit: int, keep: str) -> None:
    reading = Reading(path, limit=limit, on_bad_row="skip", keep=keep)
    assert reading.texts == ["one", "two", "three", "four"][:limit]


def test_over_several_inputs(path: Path) -> None:
    for limit in range(1, 9):
        reading = Reading(path, path, limit=limit, on_bad_row="skip")
        assert reading.texts == (["one", "two", "three", "four"] * 2)[:limit]
        assert len(reading.fingerprints) == (1 if limit <= 4 else 2)


def test_what_is_behind_the_last_one_is_not_reported(path: Path) -> None:
    reading = Reading(path, limit=2, on_bad_row="skip")
    last = reading.records[-1].line
    assert reading.skipped
    assert all(one.last < last for one in reading.skipped)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("in.csv", 'text,id\none,1\n"two\n",2\n', "three\n"),
        ("in.csv", "text,id\none,1\ntwo,2\n", '"three,3\n'),
        ("in.jsonl", '{"text": "one"}\n{"text": "two"}\n', "broken\n"),
    ],
)
def test_a_bad_row_behind_it_is_none(tmp_path: Path, name: str, good: str, bad: str) -> None:
    path = tmp_path / name
    path.write_text(good + bad, "ascii")
    assert len(Reading(path, limit=2).records) == 2


def test_the_fingerprint_is_of_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    content = b"one\n\ntwo\n\nthree\n"
    path.write_bytes(content)
    (found,) = Reading(path, limit=2).fingerprints
    assert found[:2] == (9, xxhash.xxh3_128(content[:9]).hexdigest())


@pytest.mark.parametrize("kind", LIBRARIES)
def test_of_a_compressed_one(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(LIBRARIES[kind](b"one\ntwo\n" * 1_000_000))
    assert Reading(path, limit=3).texts == ["one", "two", "one"]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("in.csv", ["text,id", "one,1", "", "two"]),
        ("in.jsonl", [{"text": "one", "id": 1}, "", "x"]),
    ],
)
def test_rows_behind_it_with_carried_columns(
    write_rows: WriteRows, name: str, rows: list[object]
) -> None:
    """They are read ahead in blocks: blank ones are counted, bad ones stop the run."""
    path = write_rows(*rows, name=name)
    assert Reading(path, limit=1, keep="id").texts == ["one"]
    assert Reading(path, limit=1, keep="id", on_bad_row="skip").skipped == []
