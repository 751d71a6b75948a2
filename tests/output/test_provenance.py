"""The footer's account of what made the file."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.errors import ParquetFormatError, ParquetIOError
from llama_cli.output import ParquetWriter
from llama_cli.output.provenance import (
    METADATA_KEY,
    InputProvenance,
    ModelProvenance,
    Provenance,
    read_provenance,
)

PROVENANCE = Provenance(
    tool_version="0.1.0",
    llama_cpp_version="0.3.36",
    model=ModelProvenance("all-MiniLM-L6-v2", "ab" * 32, "bert", "F16", 384),
    pooling="mean",
    normalized=True,
    max_length=512,
    input=InputProvenance("größe.txt", 12345, "cd" * 16),
    rows=200,
    skipped=3,
    truncated=1,
    invalid_utf8=2,
    duplicates=5,
    without_vector=0,
    tokens=4321,
    started_at=datetime(2025, 1, 2, 3, 4, 5, 678, UTC),
    finished_at=datetime(2025, 1, 2, 4, 4, 5, 0, UTC),
    run_id="ef" * 16,
)


def write(path: Path, text: str) -> Path:
    with ParquetWriter(path, 8) as writer:
        writer.add_metadata(METADATA_KEY, text)
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = write(tmp_path / "out.parquet", PROVENANCE.to_json())
    assert read_provenance(path) == PROVENANCE
    assert read_provenance(str(path)) == PROVENANCE


def test_the_json() -> None:
    assert json.loads(PROVENANCE.to_json()) == {
        "format_version": 2,
        "tool_version": "0.1.0",
        "llama_cpp_version": "0.3.36",
        "model": {
            "name": "all-MiniLM-L6-v2",
            "sha256": "ab" * 32,
            "architecture": "bert",
            "quantization": "F16",
            "dimension": 384,
            "source": "",
        },
        "pooling": "mean",
        "normalized": True,
        "max_length": 512,
        "input": {"name": "größe.txt", "bytes": 12345, "xxh3_128": "cd" * 16, "version": ""},
        "rows": 200,
        "skipped": 3,
        "truncated": 1,
        "invalid_utf8": 2,
        "duplicates": 5,
        "without_vector": 0,
        "tokens": 4321,
        "started_at": "2025-01-02T03:04:05.000678+00:00",
        "finished_at": "2025-01-02T04:04:05+00:00",
        "run_id": "ef" * 16,
        "inputs": [],
        "bad_rows": 0,
        "limit": None,
        "dims": None,
        "prompt": "",
        "task": "",
        "layer_norm": False,
    }


def test_files_without_a_run_id_can_be_read() -> None:
    values = json.loads(PROVENANCE.to_json())
    del values["run_id"]
    assert not Provenance.from_json(json.dumps(values)).run_id


def test_files_without_a_models_source_can_be_read() -> None:
    values = json.loads(PROVENANCE.to_json())
    del values["model"]["source"]
    assert not Provenance.from_json(json.dumps(values)).model.source


def test_times_are_stored_as_utc() -> None:
    there = datetime(2025, 1, 2, 6, 4, tzinfo=timezone(timedelta(hours=3)))
    text = dataclasses.replace(PROVENANCE, started_at=there).to_json()
    assert json.loads(text)["started_at"] == "2025-01-02T03:04:00+00:00"
    assert Provenance.from_json(text).started_at == there


def test_a_file_name_that_is_not_utf8(tmp_path: Path) -> None:
    odd = dataclasses.replace(PROVENANCE, input=InputProvenance("a\udcff.txt", 1, ""))
    assert read_provenance(write(tmp_path / "out.parquet", odd.to_json())) == odd


def test_unknown_keys_are_ignored() -> None:
    values = json.loads(PROVENANCE.to_json()) | {"new": 1}
    values["model"]["new"] = 2
    assert Provenance.from_json(json.dumps(values)) == PROVENANCE


def test_a_file_without_provenance(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"x": [1]}), path)
    assert read_provenance(path) is None
    pq.write_table(pa.table({"x": [1]}), path, store_schema=False)
    assert read_provenance(path) is None


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "3",
        "{}",
        '{"format_version": 1}',
        PROVENANCE.to_json().replace('"format_version": 2', '"format_version": 0'),
        PROVENANCE.to_json().replace("2025-01-02T03", "yesterday"),
        json.dumps(json.loads(PROVENANCE.to_json()) | {"model": "MiniLM"}),
    ],
)
def test_provenance_that_cannot_be_understood(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "out.parquet", text)
    with pytest.raises(
        ParquetFormatError, match=r"^Parquet error: the footer's llama_cli cannot be read: "
    ) as caught:
        read_provenance(path)
    assert caught.value.path == path
    assert caught.value.__cause__ is not None


def test_a_later_version_with_more_keys_is_read(tmp_path: Path) -> None:
    values = json.loads(PROVENANCE.to_json()) | {"format_version": 3, "more": [1]}
    path = write(tmp_path / "out.parquet", json.dumps(values))
    assert read_provenance(path) == PROVENANCE


def test_version_1_with_its_other_keys_is_read(tmp_path: Path) -> None:
    renamed = {"truncated": "cut", "invalid_utf8": "repaired", "duplicates": "repeated"}
    values = json.loads(PROVENANCE.to_json()) | {"format_version": 1}
    values = {renamed.get(name, name): value for name, value in values.items()}
    values["model"]["quantisation"] = values["model"].pop("quantization")
    path = write(tmp_path / "out.parquet", json.dumps(values))
    assert read_provenance(path) == PROVENANCE


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ParquetIOError, match=r"^IO error: No such file or directory$"):
        read_provenance(tmp_path / "missing.parquet")
    (tmp_path / "text.parquet").write_text("not Parquet at all")
    with pytest.raises(ParquetFormatError, match=r"^Parquet error: "):
        read_provenance(tmp_path / "text.parquet")
