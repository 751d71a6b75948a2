"""What is read from a server is what is read from a disk, in every format."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from llama_cli.sources.inputs import InputFile, find_inputs
from llama_cli.sources.options import ReadOptions
from llama_cli.sources.sequence import InputSequence
from tests.remote.bucket_server import Bucket
from tests.remote.hub_server import HubServer
from tests.remote.web_server import WebServer
from tests.sources.reading import read_all

TEXTS = [f"water and time {number}" for number in range(3000)]
TABLE = pa.table({"text": TEXTS, "number": range(len(TEXTS))})


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    sink = io.BytesIO()
    write(sink)
    return sink.getvalue()


def compressed(codec: str, content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def stream_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, 500)
    return sink.getvalue().to_pybytes()


LINES = "\n".join(TEXTS).encode()
ROWS = b"text,number\n" + b"".join(b"%s,%d\n" % (t.encode(), n) for n, t in enumerate(TEXTS))
OBJECTS = b"".join(b'{"text": "%s"}\n' % text.encode() for text in TEXTS)
FILES = {
    "a.txt": LINES,
    "a.txt.gz": gzip.compress(LINES),
    "a.csv": ROWS,
    "a.csv.bz2": bz2.compress(ROWS),
    "a.tsv": ROWS.replace(b",", b"\t"),
    "a.jsonl": OBJECTS,
    "a.jsonl.xz": lzma.compress(OBJECTS),
    "a.jsonl.zst": compressed("zstd", OBJECTS),
    "a.txt.lz4": compressed("lz4", LINES),
    "a.parquet": written(lambda sink: pq.write_table(TABLE, sink, row_group_size=700)),
    "a.feather": written(lambda sink: pa.feather.write_feather(TABLE, sink, chunksize=700)),
    "a.arrows": stream_of(TABLE),
    "empty.txt": b"",
    # Longer than what is asked for at a time, and than what is held.
    "large.txt": b"".join(b"%07d %s\n" % (n, b"x" * 4000) for n in range(6000)),
}


@pytest.fixture(params=["s3", "http", "hf"])
def place(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Puts a file of the table above on a server."""
    if request.param == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        return lambda name: bucket.put(f"a folder/{name}", FILES[name])
    if request.param == "hf":
        hub: HubServer = request.getfixturevalue("hub")
        return lambda name: hub.add(f"data/{name}", FILES[name])
    web: WebServer = request.getfixturevalue("web")

    def add(name: str) -> str:
        web.add(f"/a folder/{name}", FILES[name])
        return f"{web.url}/a%20folder/{name}"

    return add


@pytest.mark.parametrize("name", FILES)
def test_it_reads_as_from_a_disk(place: Callable[[str], str], name: str, tmp_path: Path) -> None:
    url = place(name)
    (tmp_path / name).write_bytes(FILES[name])
    (remote,) = find_inputs([url])
    assert remote.name == url
    assert (remote.size(), remote.has_parts) == (len(FILES[name]), True)
    expected, skipped = read_all(InputFile(tmp_path / name, name))
    found, skipped_there = read_all(remote)
    assert [record._replace(kept=None) for record in found] == expected
    assert skipped_there == skipped
    assert len(found) in (0, 3000, 6000)


def test_columns_are_kept(place: Callable[[str], str]) -> None:
    (remote,) = find_inputs([place("a.parquet")])
    records, _ = read_all(remote, keep=("number",))
    kept = [record.kept.batch["number"][record.kept.row].as_py() for record in records]  # type: ignore[union-attr]
    assert kept == list(range(3000))


def test_only_the_row_groups_from_there_on_are_read(web: WebServer) -> None:
    content = written(
        lambda sink: pq.write_table(
            pa.table({"text": [f"{n} {'x' * 500}" for n in range(20_000)]}),
            sink,
            row_group_size=1000,
            compression="none",
            use_dictionary=False,
        )
    )
    web.add("/a.parquet", content)
    (remote,) = find_inputs([f"{web.url}/a.parquet"])
    with remote.open() as file:
        table = pq.ParquetFile(file)
        web.requests.clear()
        table.read_row_group(19)
    asked = [request.headers["range"].removeprefix("bytes=") for request in web.requests]
    sizes = [int(end) - int(start) for start, end in (one.split("-") for one in asked)]
    assert sum(sizes) < len(content) / 10


def test_a_limit_downloads_no_more(web: WebServer) -> None:
    content = gzip.compress(os.urandom(24 << 20).hex().encode(), compresslevel=1)
    web.add("/a.txt.gz", gzip.compress(b"one\ntwo\n") + content)
    with InputSequence(find_inputs([f"{web.url}/a.txt.gz"]), ReadOptions(limit=1)) as source:
        source.look([])
        assert [record.text for record in source] == [b"one"]
        (found,) = source.fingerprints()
    assert (found.xxh3_128, found.version) == ("", "one")
    assert len(web.requests) <= 5
