"""What scripts are told of a run that did not end well, and of the one that resumes it."""

from __future__ import annotations

import json
import signal

import pytest

from tests.run.runs import Job, outcome_of, signalled


def only_object(out: str) -> dict[str, object]:
    assert out.count("\n") == 1
    told: dict[str, object] = json.loads(out)
    return told


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGTERM, 2)]
)
def test_an_interruption(unfinished: Job, number: int, times: int) -> None:
    outcome = signalled(unfinished.start_held("--json"), number, times)
    told = only_object(outcome.out)
    assert set(told) == {"error", "exit_code"}
    assert told["exit_code"] == 128 + number
    kept = unfinished.commits()[-1]["rows"]
    assert str(told["error"]).startswith(f"interrupted; {kept:,} rows kept; resume with: ")
    assert f"llama-cli: error: {told['error']}\n" in outcome.err


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGTERM, 2)]
)
def test_an_interruption_in_events(unfinished: Job, number: int, times: int) -> None:
    process = unfinished.start_held("--progress", "json")
    for _ in range(times):
        process.send_signal(number)
    outcome = outcome_of(process)
    *events, last = [json.loads(line) for line in outcome.err.splitlines()]
    assert last["event"] == "error"
    assert last["exit_code"] == 128 + number
    assert "rows kept; resume with: " in last["message"]
    assert {"start", "info", "progress"} >= {event["event"] for event in events}
    kept = [event["rows"] for event in events if event["event"] == "progress"]
    assert kept[0] > 0, "what is committed already counts"


def test_a_refusal(unfinished: Job) -> None:
    outcome = unfinished.run("--json", "--pooling", "cls")
    told = only_object(outcome.out)
    assert told["exit_code"] == outcome.code == 2
    assert outcome.err.endswith(f"\nllama-cli: error: {told['error']}\n")


def test_the_summary_tells_old_rows_from_new_ones(unfinished: Job) -> None:
    before = unfinished.commits()[-1]
    told = json.loads(unfinished.finish("--json", "--quiet").out)
    assert told["rows"] == 1100
    assert told["resumed_rows"] == before["rows"]
    assert told["resumed_tokens"] == before["checkpoint"]["counts"]["tokens"]
    assert told["tokens"] > told["resumed_tokens"]
    new = told["rows"] - told["resumed_rows"]
    assert told["texts_per_second"] == pytest.approx(new / told["seconds"], rel=0.01)
