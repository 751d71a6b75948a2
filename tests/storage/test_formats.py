"""What other tools write is read from a server as it is from a disk, in every format."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.inputs.resolve import InputFile, find_inputs
from llama_cli.inputs.sequence import InputSequence, ReadOptions
from tests.compressors import usual_compressor
from tests.inputs.reading import read_all
from tests.inputs.writers import ARROW, CSV, JSON, PARQUET, Table, Write, to_polars
from tests.storage.bucket_server import Bucket
from tests.storage.hub_server import Repo
from tests.storage.web_server import WebServer

TEXTS = [f"water and time {number}" for number in range(3000)]
TABLE: Table = {"text": TEXTS, "number": [str(number) for number in range(3000)]}
LINES = "\n".join(TEXTS).encode()


def row_groups_of_700(table: Table, path: Path) -> None:
    to_polars(table).write_parquet(path, row_group_size=700)


TABLES: dict[str, Write] = {
    "polars.csv": CSV["polars"],
    "pandas.csv": CSV["pandas with BOM and CRLF"],
    "duckdb.csv": CSV["DuckDB ;"],
    "polars.tsv": CSV["polars tabs"],
    "polars.jsonl": JSON["polars"],
    "pandas.jsonl": JSON["pandas"],
    "duckdb.jsonl": JSON["DuckDB"],
    "polars.parquet": row_groups_of_700,
    "pandas.parquet": PARQUET["pandas"],
    "duckdb.parquet": PARQUET["DuckDB zstd"],
    "pandas.feather": ARROW["pandas feather"],
    "polars.arrows": ARROW["polars stream"],
}
PLAIN = {
    "lines.txt": LINES,
    "empty.txt": b"",
    # Longer than what is asked for at a time, and than what is held.
    "large.txt": b"".join(b"%07d %s\n" % (n, b"x" * 4000) for n in range(6000)),
}
PACKED = {
    "lines.txt.gz": "gzip",
    "lines.txt.bz2": "bzip2",
    "lines.txt.xz": "xz",
    "lines.txt.zst": "zstd",
    "lines.txt.lz4": "lz4",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("files")
    for name, write in TABLES.items():
        write(TABLE, folder / name)
    tables = {name: (folder / name).read_bytes() for name in TABLES}
    return tables | PLAIN | {name: usual_compressor(kind)(LINES) for name, kind in PACKED.items()}


@pytest.fixture(params=["s3", "http", "hf"])
def place(request: pytest.FixtureRequest, files: dict[str, bytes]) -> Callable[[str], str]:
    """Puts a file on a server."""
    if request.param == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        return lambda name: bucket.put(f"a folder/{name}", files[name])
    if request.param == "hf":
        dataset: Repo = request.getfixturevalue("dataset")
        return lambda name: dataset.add(f"data/{name}", files[name])
    web: WebServer = request.getfixturevalue("web")

    def add(name: str) -> str:
        web.add(f"/a folder/{name}", files[name])
        return f"{web.url}/a%20folder/{name}"

    return add


@pytest.mark.parametrize("name", [*TABLES, *PLAIN, *PACKED])
def test_it_reads_as_from_a_disk(
    place: Callable[[str], str], files: dict[str, bytes], name: str, tmp_path: Path
) -> None:
    url = place(name)
    (tmp_path / name).write_bytes(files[name])
    (remote,) = find_inputs([url])
    assert remote.name == url
    assert (remote.size, remote.seekable) == (len(files[name]), True)
    expected, skipped = read_all(InputFile(tmp_path / name, name))
    found, skipped_there = read_all(remote)
    assert [record._replace(carried=None) for record in found] == expected
    assert skipped_there == skipped
    texts = [record.text.decode() for record in found]
    if name in {"empty.txt", "large.txt"}:
        assert len(texts) == files[name].count(b"\n")
    else:
        assert texts == TEXTS


def test_columns_are_kept(place: Callable[[str], str]) -> None:
    (remote,) = find_inputs([place("polars.parquet")])
    records, _ = read_all(remote, keep=("number",))
    kept = [record.carried.batch["number"][record.carried.row].as_py() for record in records]  # type: ignore[union-attr]
    assert kept == TABLE["number"]


def test_only_the_row_groups_from_there_on_are_read(web: WebServer) -> None:
    table = pa.table({"text": [f"{n} {'x' * 500}" for n in range(20_000)]})
    sink = io.BytesIO()
    options = {"row_group_size": 1000, "compression": "none", "use_dictionary": False}
    pq.write_table(table, sink, **options)
    content = sink.getvalue()
    web.add("/a.parquet", content)
    (remote,) = find_inputs([f"{web.url}/a.parquet"])
    with remote.open() as file:
        opened = pq.ParquetFile(file)
        web.requests.clear()
        opened.read_row_group(19)
    asked = [request.headers["range"].removeprefix("bytes=") for request in web.requests]
    sizes = [int(end) - int(start) for start, end in (one.split("-") for one in asked)]
    assert sum(sizes) < len(content) / 10


def test_a_limit_downloads_no_more(web: WebServer) -> None:
    content = gzip.compress(os.urandom(24 << 20).hex().encode(), compresslevel=1)
    web.add("/a.txt.gz", gzip.compress(b"one\ntwo\n") + content)
    with InputSequence(find_inputs([f"{web.url}/a.txt.gz"]), ReadOptions(limit=1)) as source:
        source.detect_formats([])
        assert [record.text for record in source] == [b"one"]
        (found,) = source.fingerprints()
    assert (found.xxh3_128, found.version) == ("", "one")
    assert len(web.requests) <= 5
