"""Whatever goes wrong at whatever place, no committed row is lost and no output is half a file."""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.mounts import ON_SMALL_DISK, may_mount, on_mount
from tests.output.durable.faults import How
from tests.torture import TORTURE

OUT, PARTIAL, JOURNAL = "out.parquet", "out.parquet.partial", "out.parquet.journal"
MESSAGES = {
    How.REFUSED: ("IO error: No space left on device", "free some space"),
    How.FULL: ("IO error: No space left on device", "free some space"),
    How.READ_ONLY: ("IO error: Read-only file system", "write to another one"),
    How.LIMIT: ("IO error: File too large", "ulimit -f"),
    How.FAILED: ("IO error: Input/output error", ""),
}
# A process with threads should not be forked.
SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1"}
Cases = list[dict[str, Any]]


@pytest.fixture(
    scope="module",
    params=[
        ("begin", "calls"),
        ("resume", "calls"),
        ("restart", "calls"),
        ("renamed", "calls"),
        ("alone", "calls"),
        ("begin", "sizes"),
        ("resume", "sizes"),
        ("padded", "sizes"),
        ("begin", "pages"),
        ("resume", "pages"),
    ],
    ids="-".join,
)
def tried(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Cases, str]:
    """All cases, and what was logged."""
    scenario, kind = request.param
    folder = tmp_path_factory.mktemp("faults")
    before: list[str] = []
    if kind == "pages":
        # Where no small disk can be had, the limit of the file size has to do.
        kind, before = ("pages", on_mount(ON_SMALL_DISK, folder)) if may_mount() else ("sizes", [])
    command = [*before, sys.executable, "-m", "tests.output.durable.fault_cases", scenario, kind]
    done = subprocess.run(
        [*command, str(folder)],
        capture_output=True,
        text=True,
        timeout=3000 if TORTURE else 300,
        check=False,
        env=os.environ | SINGLE_THREADED,
    )
    assert done.returncode == 0, done.stderr
    found: Cases = json.loads(done.stdout)
    for case in found:
        case["alone"] = scenario == "alone"
        case["older"] = scenario in {"begin", "alone"}
    return found, done.stderr


@pytest.fixture
def cases(tried: tuple[Cases, str]) -> Cases:
    return tried[0]


def failed(cases: Cases) -> Cases:
    """Those that lived to tell an error."""
    return [
        case | case["told"]["error"] for case in cases if case["told"] and case["told"]["error"]
    ]


def test_everything_was_tried(cases: Cases) -> None:
    counts = collections.Counter(case["how"] for case in cases)
    hurt = len(failed(cases)) + sum(case["told"] is None for case in cases)
    assert hurt > len(cases) / 3
    if counts[How.KILLED] > 25:
        calls = [case["where"].split(": ")[1] for case in cases if case["how"] == How.KILLED]
        assert {*calls} > {"open", "write", "fsync", "replace", "unlink", "write rows"}
        assert counts[How.HALFWAY] == counts[How.SHORT] == calls.count("write")
        errors = [counts[how] for how in (How.REFUSED, How.FAILED, How.READ_ONLY)]
        assert min(errors) >= len(calls) // 3


def test_no_file_is_called_damaged(tried: tuple[Cases, str]) -> None:
    assert tried[1] == ""


def test_the_output_is_at_any_time_the_older_file_or_the_new_one(cases: Cases) -> None:
    for case in cases:
        allowed = {"finished", "older" if case["older"] else None}
        assert case["left"].get(OUT) in allowed, case


def test_nothing_that_was_committed_is_lost(cases: Cases) -> None:
    for case in cases:
        if case["alone"] or case["left"].get(OUT) == "finished":
            continue
        assert case["kept"] >= case["committed"], case
        assert case["started"] == case["kept"], case


def test_to_run_it_again_gives_the_right_file_and_leaves_nothing_else(cases: Cases) -> None:
    for case in cases:
        if (
            case["alone"]
            and case["left"].get(PARTIAL) == "finished"
            and JOURNAL not in case["left"]
        ):
            # Complete but for its name: hours of work that no run may discard.
            assert case["error"]["kind"] == "OutputRefusedError"
            assert (
                f"finished file is kept as {case['told']['error']['path']}"
                in (case["told"]["error"]["hint"])
            )
            continue
        assert case["error"] is None, case
        assert case["after"] == {OUT: "finished"}, case


def test_an_error_says_what_is_wrong_and_what_to_do(cases: Cases) -> None:
    for case in failed(cases):
        assert case["kind"] == "ParquetIOError", case
        assert Path(case["path"]).name == OUT, case
        message, hint = MESSAGES[How(case["how"])]
        assert case["message"] == message, case
        if "replace" in case["where"]:
            hint = "the finished file is kept" if case["alone"] else "the rows are kept"
        renamed = "replace" in case["where"] and case["how"] == How.FAILED
        if (JOURNAL in case["left"] or not case["alone"]) and not renamed:
            assert hint in (case["hint"] or ""), case


def test_an_error_tells_how_many_rows_are_committed(cases: Cases) -> None:
    for case in failed(cases):
        unread = case["where"].startswith("1: open")  # the journal could not even be opened
        if case["alone"] or unread:
            assert case["committed_rows"] == 0
        elif case["how"] == How.READ_ONLY:
            # A commit whose sync failed could not be taken back either.
            assert case["committed"] <= case["committed_rows"] <= case["kept"], case
        elif case["left"].get(OUT) != "finished":
            assert case["committed_rows"] == case["kept"], case


def test_an_error_leaves_nothing_that_nobody_can_resume(cases: Cases) -> None:
    for case in failed(cases):
        cannot_remove = case["how"] == How.READ_ONLY or case["where"].startswith("1: ")
        if cannot_remove or "replace" in case["where"]:
            continue
        expected = {PARTIAL, JOURNAL} if case["kept"] and not case["alone"] else set()
        assert {*case["left"]} - {OUT} == expected, case


def test_a_write_that_writes_half_is_completed(cases: Cases) -> None:
    for case in cases:
        if case["how"] == How.SHORT:
            assert case["told"]["error"] is None
            assert case["left"] == {OUT: "finished"}
