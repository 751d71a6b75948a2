"""Datasets of the Hub: what is found there, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from huggingface_hub import constants

from llama_cli.inputs.resolve import find_inputs
from tests.cli.conftest import Command
from tests.inputs.reading import read_all
from tests.storage.hub_server import DATASET, Repo

ROOT = f"hf://datasets/{DATASET}"


@pytest.fixture
def full(dataset: Repo) -> Repo:
    for name in (".gitattributes", "README.md", "data/b.txt", "data/a.txt", "data/deep/c.csv"):
        dataset.add(name, b"text\n" + name.encode() + b"\n")
    return dataset


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", ["README.md", "data/a.txt", "data/b.txt", "data/deep/c.csv"]),
        ("/", ["README.md", "data/a.txt", "data/b.txt", "data/deep/c.csv"]),
        ("/data", ["data/a.txt", "data/b.txt", "data/deep/c.csv"]),
        ("/data/", ["data/a.txt", "data/b.txt", "data/deep/c.csv"]),
        ("/data/*.txt", ["data/a.txt", "data/b.txt"]),
        ("/**/*.csv", ["data/deep/c.csv"]),
        ("/data/a.txt", ["data/a.txt"]),
        ("@main/data/a.txt", ["data/a.txt"]),
    ],
)
def test_what_is_found(full: Repo, word: str, expected: list[str]) -> None:
    root = f"{ROOT}@main" if word.startswith("@") else ROOT
    found = find_inputs([ROOT + word])
    assert [file.name for file in found] == [f"{root}/{name}" for name in expected]


def test_all_is_read_at_one_commit(full: Repo) -> None:
    found = find_inputs([f"{ROOT}/data/*.txt"])
    earlier_commit = full.commit
    full.add("data/b.txt", b"something else\n")
    records, _ = read_all(*found)
    assert [record.text for record in records] == [b"text", b"data/a.txt", b"text", b"data/b.txt"]
    (earlier,) = find_inputs([f"{ROOT}@{earlier_commit}/data/b.txt"])
    assert read_all(earlier)[0][1].text == b"data/b.txt"


def test_a_private_one(full: Repo, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    full.token = "hf_SECRET"
    refused = cli("embed", f"{ROOT}/data/a.txt", "-o", "out.parquet")
    assert refused.code == 2
    assert "is not on the Hub, or not for everybody (HTTP 401); check the name" in refused.err
    assert "if it is private or gated, set HF_TOKEN" in refused.err
    monkeypatch.setenv("HF_TOKEN", full.token)
    records, _ = read_all(*find_inputs([f"{ROOT}/data/a.txt"]))
    assert len(records) == 2


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"{ROOT}/none.txt", "no such file"),
        (f"{ROOT}/*.parquet", "no file matches"),
        (f"{ROOT}@none/a.txt", "the repository has no revision none (HTTP 404)"),
        ("hf://datasets/owner/none/a.txt", "is not on the Hub (HTTP 404)"),
        ("hf://buckets/owner/name/a.txt", "is a bucket of the Hub"),
        ("hf://datasets/", "is no path on the Hub"),
        ("hf://", "is no path on the Hub"),
    ],
)
def test_what_is_refused(full: Repo, cli: Command, url: str, reason: str) -> None:
    outcome = cli("embed", url, "-o", "out.parquet")
    assert outcome.code == 2, outcome.err
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1


def test_offline(full: Repo, tmp_path: Path, installed_cli: Command) -> None:
    outcome = installed_cli(
        "embed",
        f"{ROOT}/data/a.txt",
        "-o",
        tmp_path / "out.parquet",
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    assert outcome.code == 2
    assert "HF_HUB_OFFLINE forbids" in outcome.err


@pytest.mark.usefixtures("short_pauses")
def test_a_hub_that_is_down(full: Repo, cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    outcome = cli("embed", f"{ROOT}/data/a.txt", "-o", "out.parquet", "--quiet")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "tried 3 times" in outcome.err
