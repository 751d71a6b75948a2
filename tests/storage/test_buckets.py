"""Buckets: folders, patterns, what is refused, and what changes while it is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llama_cli.errors import InputReadError
from llama_cli.inputs.resolve import find_inputs
from llama_cli.storage import buckets
from llama_cli.storage.retry import RefusedError, TransientError
from tests.cli.conftest import Command
from tests.storage.bucket_server import Bucket, BucketServer

NAMES = [
    "a.txt",
    "b.csv",
    "in/.hidden/x.txt",
    "in/.hidden.txt",
    "in/2.txt",
    "in/10.txt",
    "in/deep/er/3.txt",
    "in/deep/4.csv",
    "in/what?.txt",
    "in-other/5.txt",
]


@pytest.fixture
def full(bucket: Bucket) -> Bucket:
    for name in NAMES:
        bucket.put(name, b"one\n")
    return bucket


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("in/", ["in/10.txt", "in/2.txt", "in/deep/4.csv", "in/deep/er/3.txt", "in/what?.txt"]),
        ("in", ["in/10.txt", "in/2.txt", "in/deep/4.csv", "in/deep/er/3.txt", "in/what?.txt"]),
        ("in/*.txt", ["in/10.txt", "in/2.txt", "in/what?.txt"]),
        ("in/what?.txt", ["in/what?.txt"]),
        ("in/?.txt", ["in/2.txt"]),
        ("*/[0-9].txt", ["in/2.txt", "in-other/5.txt"]),
        ("**/*.csv", ["b.csv", "in/deep/4.csv"]),
        ("in/**", ["in/10.txt", "in/2.txt", "in/deep/4.csv", "in/deep/er/3.txt", "in/what?.txt"]),
        ("in/.h*.txt", ["in/.hidden.txt"]),
        ("a.txt", ["a.txt"]),
        ("", [name for name in sorted(NAMES, key=lambda n: n.split("/")) if name[3:4] != "."]),
    ],
)
def test_what_is_found(full: Bucket, word: str, expected: list[str]) -> None:
    found = find_inputs([full.url(word)])
    assert [file.name for file in found] == [full.url(name) for name in expected]


def test_the_same_as_on_a_disk(full: Bucket, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"one\n")
    for word in ("in", "in/*.txt", "**/*.csv", "*/*.txt", "in/**/*.txt", "**/[a-z]*"):
        here = [os.path.relpath(str(one), tmp_path) for one in find_inputs([f"{tmp_path}/{word}"])]
        there = [one.name.removeprefix(full.url("")) for one in find_inputs([full.url(word)])]
        assert there == here, word


def test_with_files_of_this_machine(full: Bucket, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"one\n")
    words = [full.url("b.csv"), str(tmp_path / "x.txt"), full.url("a.txt")]
    assert [file.name for file in find_inputs(words)] == words


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("{bucket}/none.txt", "no such file"),
        ("{bucket}/none/", "there is no file in this folder"),
        ("{bucket}/*.parquet", "no file matches"),
        ("no-such-bucket/a.txt", "no such file"),
        ("no-such-bucket/", "no such bucket"),
        ("/a.txt", "the name of a bucket is missing"),
        ("key:SECRET@{bucket}/a.txt", "a URL is no place for keys"),
    ],
)
def test_what_is_refused(full: Bucket, cli: Command, word: str, reason: str) -> None:
    outcome = cli("embed", f"s3://{word.format(bucket=full.name)}", "-o", "out.parquet")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert reason in outcome.err
    assert "SECRET" not in outcome.err


def test_no_server(own_bucket_server: BucketServer, cli: Command) -> None:
    own_bucket_server.stop()
    outcome = cli("embed", "s3://bucket/a.txt", "-o", "out.parquet", "--quiet")
    assert outcome.code == 1
    assert outcome.err.startswith("llama-cli: error: s3://bucket/a.txt: cannot read: ")
    assert "tried 3 times" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.usefixtures("short_pauses")
def test_two_versions_are_never_mixed(bucket: Bucket) -> None:
    old = b"old " * (2 << 20)
    (found,) = find_inputs([bucket.put("in.txt", old)])
    for new in (b"new " * (2 << 20), b"short"):
        bucket.put("in.txt", old)
        with found.open() as file:
            assert file.read(1 << 20) == old[: 1 << 20]
            bucket.put("in.txt", new)
            with pytest.raises(InputReadError, match="changed while it was read"):
                file.read(1 << 20)


@pytest.mark.usefixtures("short_pauses")
def test_one_that_is_gone(bucket: Bucket) -> None:
    (found,) = find_inputs([bucket.put("in.txt", b"old")])
    bucket.client.delete_object(Bucket=bucket.name, Key="in.txt")
    with found.open() as file, pytest.raises(InputReadError, match="changed while it was read"):
        file.read(10)


@pytest.mark.usefixtures("short_pauses")
def test_a_part_that_does_not_come_is_asked_for_again(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = find_inputs([bucket.put("in.txt", b"content")])
    fetch, failures = buckets.BucketReader.fetch, ["busy", "broken"]

    def failing(parts: buckets.BucketReader, start: int, size: int) -> bytes:
        if failures:
            raise TransientError(failures.pop())
        return fetch(parts, start, size)

    monkeypatch.setattr(buckets.BucketReader, "fetch", failing)
    with found.open() as file:
        assert file.read(100) == b"content"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (
            "When reading information for key 'x' in bucket 'b': AWS Error ACCESS_DENIED during "
            "HeadObject operation: No response body.",
            RefusedError,
            "access denied",
        ),
        (
            "AWS Error UNKNOWN (HTTP status 400) during HeadObject operation: No response body.",
            RefusedError,
            "HTTP 400: No response body.",
        ),
        (
            "AWS Error UNKNOWN (HTTP status 503) during GetObject operation: Unable to parse\n it",
            TransientError,
            "Unable to parse it (UNKNOWN)",
        ),
        (
            "AWS Error SLOW_DOWN during GetObject operation: Please reduce (Request ID: abc)",
            TransientError,
            "Please reduce (SLOW_DOWN)",
        ),
        (
            "google::cloud::Status(UNAVAILABLE: Could not create a OAuth2 access token to ...",
            RefusedError,
            "no credentials were found",
        ),
        ("some other words", TransientError, "some other words"),
    ],
)
def test_what_arrow_says(said: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as raised, buckets.translated("s3"):
        raise OSError(said)
    assert str(raised.value) == words


def test_what_is_denied_says_what_to_do() -> None:
    for scheme, word in (("s3", "AWS_NO_SIGN_REQUEST"), ("gs", "gcloud auth")):
        with pytest.raises(RefusedError) as raised, buckets.translated(scheme):
            raise PermissionError(13, "denied")
        assert word in str(raised.value.hint)
