"""Google Cloud Storage, by a stand-in. The commands are processes: Arrow keeps others waiting."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.storage.google_server import BUCKET, GoogleServer, open_google_server
from tests.storage.runs import UNREADABLE, RemoteJob, files_below, unfinished_folder

TEXTS = [f"water and time {number}" for number in range(1500)]


def table_of(texts: list[str]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), sink)
    return sink.getvalue()


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> object:
    with open_google_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


def test_from_a_folder_to_an_output(google: GoogleServer, folder: Path, tiny_bert: Path) -> None:
    google.put("in/a.csv", b"text,n\none,1\ntwo,2\n")
    google.put("in/b.parquet", table_of(["three"]))
    google.put("in/.hidden.csv", b"text\nfour\n")
    job = RemoteJob(folder, tiny_bert, (f"gs://{BUCKET}/in/",), f"gs://{BUCKET}/out.parquet")
    short = job.run(program=UNREADABLE)
    assert (short.code, list(google.objects)[3:]) == (1, [])
    outcome = job.run()
    assert outcome.code == 0, outcome.err
    made = pq.read_table(io.BytesIO(google.objects["out.parquet"][0]))
    assert made["text"].to_pylist() == ["one", "two", "three"]
    assert files_below(unfinished_folder()) == []
    again = job.run()
    assert (again.code, "exists already" in again.err) == (2, True)
    missing = RemoteJob(folder, tiny_bert, (f"gs://{BUCKET}/none.txt",)).run()
    assert (missing.code, "no such file" in missing.err) == (2, True)


def test_a_killed_run_resumes_the_same_generation(
    google: GoogleServer, folder: Path, tiny_bert: Path
) -> None:
    url = google.put("in.parquet", table_of(TEXTS))
    job = RemoteJob(folder, tiny_bert, (url,))
    journal = job.die()
    kept = google.objects["in.parquet"]
    google.put("in.parquet", table_of(TEXTS[1:]))
    refused = job.run()
    assert refused.code == 2
    assert "its version was 1 and is 2 now" in refused.err
    assert job.journal.read_bytes() == journal
    google.objects["in.parquet"] = kept
    assert job.run().code == 0
    assert job.texts() == TEXTS
