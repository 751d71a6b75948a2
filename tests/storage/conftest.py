from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llama_cli.storage import retry
from tests.cli.conftest import Command, cli, installed_cli, notes  # noqa: F401 - fixtures
from tests.run.conftest import _leave_no_process  # noqa: F401 - fixture
from tests.storage.bucket_server import KEYS, Bucket, BucketServer, make_bucket
from tests.storage.hub_server import DATASET, Repo, open_hub_server
from tests.storage.web_server import WebServer, open_web_server

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's; keys that are no one's."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "HF_", "GOOGLE_", "CLOUDSDK_", "STORAGE_")):
            monkeypatch.delenv(name)
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process it is not waited long before a try."""
    monkeypatch.setattr(retry.time, "sleep", lambda _: None)


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[BucketServer]:
    server = BucketServer()
    yield server
    server.stop()


@pytest.fixture
def own_bucket_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    """One that the test may stop."""
    server = BucketServer()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    yield server
    server.stop()


@pytest.fixture
def bucket(bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket_server.url)
    return make_bucket(bucket_server, f"bucket{next(_numbers)}")


@pytest.fixture
def web() -> Iterator[WebServer]:
    with open_web_server() as server:
        yield server


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repo]:
    """An empty dataset on the Hub."""
    with open_hub_server(tmp_path / "hf", monkeypatch) as server:
        yield server.add(f"datasets/{DATASET}", {}, commit="0" * 40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a run."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"
