"""--dry-run counts as a run would, estimates, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llama_cli.run import dry_run
from tests.cli.conftest import Command


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    lines = [f"water {number} " * (1 + number % 5) for number in range(300)]
    content = "\n".join([*lines, "", lines[7], "time " * 90, "\n"]).encode()
    path.write_bytes(content + b"caf\xe9\n")
    return path


def counts(cli: Command, *words: object) -> dict[str, int]:
    outcome = cli("embed", *words, "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_it_counts_what_a_run_counts(cli: Command, notes: Path, tiny_bert: Path) -> None:
    table = notes.with_name("more.jsonl")
    table.write_text('{"text": "one"}\n{"text": null}\n\n{"text": "two"}\n', "utf-8")
    words = [notes, table, "-m", tiny_bert, "--on-bad-row", "skip"]
    found = counts(cli, *words, "--dry-run")
    assert not [path for path in notes.parent.iterdir() if "parquet" in path.name]
    made = counts(cli, *words, "-o", notes.with_name("out.parquet"))
    names = ("rows", "skipped", "bad_rows", "truncated", "invalid_utf8", "duplicates", "tokens")
    assert {name: found[name] for name in names} == {name: made[name] for name in names}
    assert found["truncated"] == found["bad_rows"] == found["invalid_utf8"] == 1
    assert (found["dry_run"], found["inputs"], found["dimension"]) == (True, 2, 32)


def test_the_size_is_about_that_of_the_output(cli: Command, notes: Path, tiny_bert: Path) -> None:
    notes.write_text("".join(f"water {n} {'time ' * (n % 9)}\n" for n in range(6000)), "utf-8")
    found = counts(cli, notes, "-m", tiny_bert, "--dry-run")
    made = counts(cli, notes, "-m", tiny_bert)
    assert 0.9 < found["estimated_output_bytes"] / made["output_bytes"] < 1.1
    assert found["estimated_seconds"] > 0


def test_after_the_trial_texts_are_only_counted(
    cli: Command, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "CALIBRATION_SECONDS", 0.2)
    notes.write_text("".join(f"water {n}\n" for n in range(20_000)), "utf-8")
    found = counts(cli, notes, "--dry-run")
    assert 0 < found["tried"] < found["rows"] == 20_000
    assert found["estimated_seconds"] > 1


def test_people_get_words(cli: Command, notes: Path, tiny_bert: Path) -> None:
    outcome = cli("embed", notes, "-m", tiny_bert, "--dry-run")
    first, second, last = outcome.out.splitlines()
    assert first.startswith("303 texts, ")
    assert second.startswith("2 blank lines skipped; 1 text truncated to 64 tokens; 1 line not in")
    assert last.startswith("about 0:0")
    assert last.endswith("by 303 texts tried")


def test_an_existing_output_and_no_output_are_no_errors(
    cli: Command, notes: Path, tiny_bert: Path
) -> None:
    output = notes.with_suffix(".parquet")
    output.write_bytes(b"older")
    assert cli("embed", notes, "-m", tiny_bert, "--dry-run").code == 0
    assert cli("embed", notes, notes.parent / "*.txt", "-m", tiny_bert, "--dry-run").code == 0
    assert output.read_bytes() == b"older"


def test_what_a_run_would_refuse_is_refused(cli: Command, notes: Path, tiny_bert: Path) -> None:
    outcome = cli("embed", notes, "-m", tiny_bert, "--dry-run", "--on-long", "error")
    assert outcome.code == 2
    assert "the text has more than 64 tokens" in outcome.err


def test_an_empty_input_has_no_estimate(cli: Command, notes: Path, tiny_bert: Path) -> None:
    notes.write_bytes(b"\n\n")
    outcome = cli("embed", notes, "-m", tiny_bert, "--dry-run")
    assert outcome.out == "0 texts, 0 tokens to compute\n2 blank lines skipped\n"
    found = counts(cli, notes, "-m", tiny_bert, "--dry-run")
    assert found["estimated_seconds"] is None
