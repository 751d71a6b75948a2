"""Outputs that are uploaded: whole, once, and never a part of one."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from llama_cli.output.provenance import read_provenance
from llama_cli.storage.upload import upload
from tests.cli.conftest import Command
from tests.run.programs import COMMAND
from tests.storage.bucket_server import Bucket, BucketServer, make_bucket
from tests.storage.hub_server import DATASET, Repo
from tests.storage.runs import (
    DYING,
    STUCK,
    UNREADABLE,
    RemoteJob,
    files_below,
    unfinished_folder,
)

TEXTS = [f"water and time {number}" for number in range(1500)]


@pytest.fixture
def job(folder: Path, tiny_bert: Path, bucket: Bucket) -> RemoteJob:
    """To be uploaded to the bucket."""
    (folder / "in.txt").write_text("\n".join(TEXTS), "utf-8")
    return RemoteJob(folder, tiny_bert, ("in.txt",), bucket.url("a folder/out.parquet"))


KEY = "a folder/out.parquet"


def assert_made(bucket: Bucket, key: str = KEY) -> None:
    """The whole output is there, and nothing here."""
    table = pq.read_table(io.BytesIO(bucket.get(key)))
    assert table["text"].to_pylist() == TEXTS
    assert files_below(unfinished_folder()) == []


def test_an_output_is_uploaded(job: RemoteJob, bucket: Bucket) -> None:
    outcome = job.run("--json")
    assert outcome.code == 0, outcome.err
    assert_made(bucket)
    assert bucket.keys() == [KEY]
    summary = json.loads(outcome.out)
    assert summary["output"] == job.output
    assert summary["output_bytes"] == len(bucket.get(KEY))
    assert f"{job.output} (" in outcome.err
    made = read_provenance(job.output)
    assert made is not None
    assert made.rows == 1500
    assert files_below(job.folder) == ["in.txt"]


def test_other_tools_read_it_from_there(job: RemoteJob) -> None:
    assert job.run("-q").code == 0
    names = {
        "aws_endpoint_url": "AWS_ENDPOINT_URL",
        "aws_access_key_id": "AWS_ACCESS_KEY_ID",
        "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "aws_region": "AWS_DEFAULT_REGION",
    }
    options = {name: os.environ[variable] for name, variable in names.items()}
    frame = pl.read_parquet(job.output, storage_options={**options, "aws_allow_http": "true"})
    assert frame["text"].to_list() == TEXTS


def test_the_input_in_another_spelling_is_no_output(job: RemoteJob, bucket: Bucket) -> None:
    url = bucket.put("in.txt", b"water")
    refused = replace(job, inputs=(url,), output=url.replace("s3:", "S3:")).run("--overwrite")
    assert (refused.code, refused.err) == (
        2,
        f"llama-cli: error: {url}: the output is the input itself\n",
    )
    assert bucket.get("in.txt") == b"water"


def test_an_existing_one_is_refused_and_replaced(job: RemoteJob, bucket: Bucket) -> None:
    bucket.put(KEY, b"older")
    refused = job.run("-m", "no-such-model.gguf")
    assert (refused.code, refused.err) == (
        2,
        f"llama-cli: error: {job.output} exists already; replace it with --overwrite\n",
    )
    assert bucket.get(KEY) == b"older"
    assert job.run("--overwrite").code == 0
    assert_made(bucket)


def test_one_that_appears_meanwhile_is_not_replaced(job: RemoteJob, bucket: Bucket) -> None:
    process = job.start_held()
    bucket.put(KEY, b"somebody else's")
    job.release()
    _, err = process.communicate()
    assert process.returncode == 2
    assert "exists already; the rows are kept" in err
    assert bucket.get(KEY) == b"somebody else's"
    assert job.run("--overwrite").code == 0
    assert_made(bucket)


def test_a_killed_run_resumes_from_another_folder(job: RemoteJob, bucket: Bucket) -> None:
    job.die()
    assert bucket.keys() == []
    other = job.folder.parent / "other"
    job.folder.rename(other)
    moved = RemoteJob(other, job.model, job.inputs, job.output)
    outcome = moved.run()
    assert outcome.code == 0, outcome.err
    assert "resuming at row" in outcome.err
    assert_made(bucket)


def test_a_server_that_is_gone_when_all_is_done(
    job: RemoteJob, own_bucket_server: BucketServer
) -> None:
    job = RemoteJob(job.folder, job.model, job.inputs, "s3://own-bucket/out.parquet")
    make_bucket(own_bucket_server, "own-bucket")
    process = job.start_held()
    own_bucket_server.stop()
    job.release()
    _, err = process.communicate()
    assert process.returncode == 1, err
    assert err.count("error") == 1
    assert f"{job.output}: cannot be written to: " in err
    assert "the rows are kept; run the same command again" in err
    own_bucket_server.start()
    bucket = make_bucket(own_bucket_server, "own-bucket")
    outcome = job.run()
    assert outcome.code == 0, outcome.err
    assert "resuming at row 1501" in outcome.err
    assert_made(bucket, "out.parquet")


def test_killed_while_it_uploads(job: RemoteJob, bucket: Bucket) -> None:
    process = job.start(program=STUCK)
    job.wait_for("uploading", process)
    assert bucket.keys() == []
    process.kill()
    process.wait()
    assert bucket.keys() == []
    assert job.run().code == 0
    assert_made(bucket)


def test_stopped_while_it_uploads(job: RemoteJob, bucket: Bucket) -> None:
    process = job.start(program=STUCK)
    job.wait_for("uploading", process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # or the system makes one of the two
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode in (128 + signal.SIGINT, -signal.SIGINT)
    assert "interrupted; 1,500 rows kept" in err
    assert bucket.keys() == []
    assert job.run().code == 0
    assert_made(bucket)


def test_an_upload_that_fails_here_leaves_no_short_file(job: RemoteJob, bucket: Bucket) -> None:
    outcome = job.run(program=UNREADABLE)
    assert outcome.code == 1, outcome.err
    assert outcome.err.count("error: ") == 2  # ours, with the system's words in it
    assert "Input/output error" in outcome.err
    assert bucket.keys() == []
    assert job.run().code == 0
    assert_made(bucket)


def test_killed_when_it_has_uploaded(job: RemoteJob, bucket: Bucket) -> None:
    assert job.run(program=DYING).code == -signal.SIGKILL
    assert bucket.keys() == [KEY]
    uploaded = bucket.get(KEY)
    outcome = job.run("--json")
    assert outcome.code == 0, outcome.err
    assert f"an earlier run had finished {job.output}" in outcome.err
    assert bucket.get(KEY) == uploaded
    assert json.loads(outcome.out)["output_bytes"] == len(uploaded)
    assert_made(bucket)


def test_status(job: RemoteJob, installed_cli: Command) -> None:
    job.die()
    unfinished = installed_cli("status", job.output, cwd=job.folder)
    assert unfinished.code == 0
    assert unfinished.out.startswith(f"{job.output}: unfinished, ")
    assert f"resume with: {COMMAND} embed in.txt -o '{job.output}'" in unfinished.out
    assert job.run().code == 0
    finished = installed_cli("status", job.output, "--json")
    assert json.loads(finished.out)["state"] == "finished"
    assert json.loads(finished.out)["rows"] == 1500
    inspected = installed_cli("inspect", job.output, "-n", 1)
    assert inspected.out.startswith("1,500 rows in ")
    assert TEXTS[0] in inspected.out
    missing = installed_cli("status", job.output.replace("out", "none"))
    assert (missing.code, missing.err.count("\n")) == (2, 1)


def test_a_folder_that_gets_the_output(bucket: Bucket, cli: Command, tiny_bert: Path) -> None:
    bucket.put("in/a.txt", b"one\n")
    bucket.put("in/b.txt", b"two\n")
    words = ("embed", bucket.url("in/"), "-o", bucket.url("in/out.parquet"), "-m", tiny_bert)
    assert cli(*words).code == 0
    assert cli(*words, "--overwrite").code == 0
    made = read_provenance(bucket.url("in/out.parquet"))
    assert made is not None
    assert [one.name for one in made.inputs] == [bucket.url("in/a.txt"), bucket.url("in/b.txt")]


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("https://example.org/out.parquet", "https:// cannot be written to"),
        ("s3://bucket-alone", "is a bucket"),
        ("s3://no-such-bucket/out.parquet", "no such bucket"),
        ("s3://bucket/folder/", "is a folder"),
        ("s3://key:SECRET@bucket/out.parquet", "a URL is no place for keys"),
    ],
)
def test_refused_outputs(
    bucket: Bucket, cli: Command, notes: Path, output: str, reason: str
) -> None:
    outcome = cli("embed", notes, "-o", output)
    assert outcome.code == 2
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1
    assert "SECRET" not in outcome.err


def test_the_input_is_not_replaced(bucket: Bucket, cli: Command) -> None:
    url = bucket.put("in.parquet", b"")
    outcome = cli("embed", url, "-o", url, "--overwrite")
    assert outcome.code == 2
    assert "the output is the input itself" in outcome.err


def test_an_output_on_the_hub(dataset: Repo, cli: Command, notes: Path, tiny_bert: Path) -> None:
    output = f"hf://datasets/{DATASET}/made/out.parquet"
    words = ("embed", notes, "-o", output, "-m", tiny_bert)
    outcome = cli(*words)
    assert outcome.code == 0, outcome.err
    table = pq.read_table(io.BytesIO(dataset.files["made/out.parquet"]))
    assert table.num_rows == 3
    commit = dataset.commit
    refused = cli(*words)
    assert (refused.code, dataset.commit) == (2, commit)
    assert "exists already" in refused.err
    missing = cli("embed", notes, "-o", "hf://datasets/owner/none/out.parquet")
    assert missing.code == 2
    assert "is not on the Hub (HTTP 404)" in missing.err


def test_one_of_several_parts(bucket: Bucket, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 25
    (tmp_path / "large").write_bytes(content)
    upload(tmp_path / "large", bucket.url("large"))
    assert bucket.get("large") == content
    assert bucket.uploads() == []
