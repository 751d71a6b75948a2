"""Runs over remote inputs that are killed, and resume or are refused."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.output.provenance import read_provenance
from tests.storage.bucket_server import Bucket
from tests.storage.hub_server import Repo
from tests.storage.runs import RemoteJob
from tests.storage.web_server import WebServer

TEXTS = [f"water and time {number}" for number in range(1500)]
LINES = "".join(f"{text}\n" for text in TEXTS).encode()
ROWS = b"text,n\n" + b"".join(b"%s,1\n" % text.encode() for text in TEXTS)


def table_of(texts: list[str]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), sink, row_group_size=300)
    return sink.getvalue()


TABLE = table_of(TEXTS)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """Where an input is that the test names."""
    if request.param == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        return bucket.put("in.parquet", TABLE)
    web: WebServer = request.getfixturevalue("web")
    if request.param == "http":
        web.add("/in.txt.gz", gzip.compress(LINES))
        return f"{web.url}/in.txt.gz"
    web.add("/in.txt", LINES, has_ranges=False)
    return f"{web.url}/in.txt"


@pytest.mark.parametrize("url", ["s3", "http", "without ranges"], indirect=True)
def test_a_killed_run_resumes(url: str, folder: Path, tiny_bert: Path) -> None:
    job = RemoteJob(folder, tiny_bert, (url,))
    job.die()
    outcome = job.run()
    assert outcome.code == 0, outcome.err
    assert "resuming at row" in outcome.err
    assert job.texts() == TEXTS
    made = read_provenance(folder / "out.parquet")
    assert made is not None
    assert (made.rows, made.input.name) == (1500, url)
    assert made.input.version
    assert bool(made.input.xxh3_128) == ("parquet" not in url)


def assert_refused(job: RemoteJob, journal: bytes, *naming: str) -> None:
    outcome = job.run()
    assert outcome.code == 2, outcome
    assert outcome.err.count("\n") == 1
    for words in (*naming, "--restart"):
        assert words in outcome.err
    assert job.journal.read_bytes() == journal


def test_another_version_in_a_bucket_is_refused(
    bucket: Bucket, folder: Path, tiny_bert: Path
) -> None:
    url = bucket.put("in.csv", ROWS)
    job = RemoteJob(folder, tiny_bert, (url,))
    journal = job.die()
    bucket.put("in.csv", ROWS + b"more,1\n")
    assert_refused(job, journal, url, "its version was")
    bucket.put("in.csv", ROWS)
    assert job.run().code == 0
    assert job.texts() == TEXTS


def test_another_commit_with_the_same_file_resumes(
    dataset: Repo, folder: Path, tiny_bert: Path
) -> None:
    url = dataset.add("in.parquet", TABLE)
    job = RemoteJob(folder, tiny_bert, (url,))
    journal = job.die()
    dataset.add("in.parquet", table_of(TEXTS[:-1]))
    assert_refused(job, journal, url, "its version was")
    dataset.add("in.parquet", TABLE)
    dataset.add("other.parquet", TABLE)
    assert job.run().code == 0
    assert job.texts() == TEXTS


def test_without_a_version_what_was_read_is_compared(
    web: WebServer, folder: Path, tiny_bert: Path
) -> None:
    page = web.add("/in.txt", LINES, etag="")
    job = RemoteJob(folder, tiny_bert, (f"{web.url}/in.txt",))
    journal = job.die()
    page.content = LINES.replace(b"time 3\n", b"time x\n")
    assert_refused(job, journal, "/in.txt", "first", "bytes")
    page.content = LINES + b"one more\n"
    assert job.run().code == 0
    assert job.texts() == [*TEXTS, "one more"]


def test_inputs_done_before_are_not_downloaded_again(
    web: WebServer, folder: Path, tiny_bert: Path
) -> None:
    long = b"".join(b"%d %s\n" % (n, b"time " * 100_000) for n in range(12))
    web.add("/a.txt", long)
    web.add("/b.txt", LINES)
    urls = (f"{web.url}/a.txt", f"{web.url}/b.txt")
    job = RemoteJob(folder, tiny_bert, urls)
    job.die("--max-length", 16, until=b'"input_index": 1')
    web.requests.clear()
    outcome = job.run("--max-length", 16)
    assert outcome.code == 0, outcome.err
    assert len(job.texts()) == 1512
    asked = [request.headers["range"] for request in web.sent("/a.txt")]
    assert asked == ["bytes=0-0", "bytes=0-1114111"]  # what it is, and how it begins


def test_a_presigned_url_resumes_another_signature(
    web: WebServer, folder: Path, tiny_bert: Path
) -> None:
    web.add("/in.txt", LINES, token="signature=")
    job = RemoteJob(folder, tiny_bert, (f"{web.url}/in.txt?part=1&signature=SECRET1",))
    journal = job.die()
    assert b"SECRET" not in journal
    again = RemoteJob(folder, tiny_bert, (f"{web.url}/in.txt?part=1&signature=SECRET2",))
    outcome = again.run("--debug")
    assert outcome.code == 0, outcome.err
    assert "resuming at row" in outcome.err
    assert "SECRET" not in outcome.err + outcome.out
    assert b"SECRET" not in (folder / "out.parquet").read_bytes()
    assert job.texts() == TEXTS
