"""`--progress`: what is shown, and the events that other programs read. See docs/events.md."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
DOCUMENTED = (ROOT / "docs" / "events.md").read_text("utf-8")
# Those of the summary are in the reference.
KEYS = DOCUMENTED + (ROOT / "docs" / "reference.md").read_text("utf-8")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")

Event = dict[str, Any]


def events_of(text: str) -> list[Event]:
    """All lines, each of which must be an event."""
    lines = text.splitlines()
    assert text == "".join(f"{line}\n" for line in lines)
    assert text.isascii()
    found = [json.loads(line) for line in lines]
    assert all(f"`{event['event']}`" in DOCUMENTED for event in found)
    assert not [k for event in found for k in event if f"`{k}`" not in KEYS]
    return found


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.txt"
    path.write_text("".join(f"water and time {i}\n" for i in range(20_000)), "utf-8")
    return path


def test_a_run_in_events(installed_cli: Command, many: Path, tiny_bert: Path) -> None:
    outcome = installed_cli(
        "embed", many, "-m", tiny_bert, "--threads", 1, "--progress", "json", "--json"
    )
    assert outcome.code == 0
    start, *progress, done = events_of(outcome.err)
    assert start["event"] == "start"
    assert (start["inputs"], start["model"]) == ([str(many)], str(tiny_bert))
    assert {event["event"] for event in progress} == {"progress"}
    assert (progress[0]["rows"], progress[0]["bytes_read"]) == (0, 0)
    assert (progress[-1]["rows"], progress[-1]["bytes_read"]) == (20_000, many.stat().st_size)
    for name in ("rows", "tokens", "bytes_read", "bytes_written", "seconds"):
        values = [event[name] for event in progress]
        assert values == sorted(values)
    assert {event["bytes_total"] for event in progress} == {many.stat().st_size}
    times = [event["seconds"] for event in progress]
    assert all(later - sooner >= 0.49 for sooner, later in itertools.pairwise(times[:-1]))
    assert done == {"event": "done", **json.loads(outcome.out), "exit_code": 0}


def test_warnings_are_events_and_done_is_the_last(
    installed_cli: Command, tmp_path: Path, tiny_bert: Path
) -> None:
    (tmp_path / "in.txt").write_bytes(b"\xff water\n" * 3)
    outcome = installed_cli("embed", tmp_path / "in.txt", "-m", tiny_bert, "--progress", "json")
    *_, warning, done = events_of(outcome.err)
    assert warning["event"] == "warning"
    assert "is this text?" in warning["message"]
    assert done["event"] == "done"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["{folder}/absent.txt"], 2, "no such file"),
        (["{input}", "--bogus"], 2, "No such option: --bogus"),
        (["{input}", "-m", "{folder}/absent.gguf"], 3, "no such model file"),
        (["{input}", "--pooling", "men"], 2, "did you mean mean?"),
        ([], 2, "Missing argument"),
    ],
)
@pytest.mark.parametrize("asked", [["--progress", "json"], ["--progress=json"]])
def test_errors_are_events(
    cli: Command, notes: Path, words: list[str], code: int, message: str, asked: list[str]
) -> None:
    filled = [word.format(folder=notes.parent, input=notes) for word in words]
    outcome = cli("embed", *asked, *filled)
    (error,) = events_of(outcome.err)
    assert (error["event"], error["exit_code"], outcome.code) == ("error", code, code)
    assert message in error["message"]
    assert set(error) == {"event", "message", "exit_code"}


def test_a_traceback_is_in_the_event(cli: Command, tmp_path: Path) -> None:
    outcome = cli("embed", tmp_path / "absent.txt", "--progress", "json", "--debug")
    error = events_of(outcome.err)[-1]
    assert "Traceback" in error["traceback"]


def test_the_log_of_llama_cpp_is_events(
    installed_cli: Command, notes: Path, tiny_bert: Path
) -> None:
    outcome = installed_cli("embed", notes, "-m", tiny_bert, "--progress", "json", "--debug")
    found = events_of(outcome.err)
    assert any("llama_model_loader" in e["message"] for e in found if e["event"] == "info")


def test_quiet_leaves_only_what_may_be_wrong(cli: Command, tmp_path: Path, tiny_bert: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"\xff water\n" * 3)
    words = ["embed", tmp_path / "in.txt", "-m", tiny_bert, "--progress", "json", "--quiet"]
    assert [event["event"] for event in events_of(cli(*words).err)] == ["warning"]
    assert [event["event"] for event in events_of(cli(*words).err)] == ["error"], "it exists"


def test_a_reader_that_leaves_does_not_end_the_run(many: Path, tiny_bert: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "llama_cli", "embed", many, "-m", tiny_bert, "--progress", "json"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    assert json.loads(process.stderr.readline())["event"] == "start"
    process.stderr.close()
    assert process.wait(60) == 0
    assert pq.read_metadata(many.with_suffix(".parquet")).num_rows == 20_000


def test_none_shows_the_summary_only(installed_cli: Command, many: Path, tiny_bert: Path) -> None:
    outcome = installed_cli("embed", many, "-m", tiny_bert, "--progress", "none")
    assert outcome.err.startswith("20,000 rows, ")
    assert not CONTROL.search(outcome.err)


def test_a_bar_can_be_forced_into_a_pipe(
    installed_cli: Command, many: Path, tiny_bert: Path
) -> None:
    forced = os.environ | {"CI": "true", "TERM": "dumb"}
    outcome = installed_cli("embed", many, "-m", tiny_bert, "--progress", "bar", env=forced)
    assert "━" in outcome.err
    assert re.search(r"[1-9]\d?%", outcome.err)
    assert outcome.err.count("\x1b[?25l") == outcome.err.count("\x1b[?25h") == 1
