"""What views show of a run and of a download, and when."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from llama_cli.progress import events, lines, meters
from llama_cli.progress.events import EventProgress
from llama_cli.progress.lines import Lines
from llama_cli.progress.meters import DownloadMeter, DownloadProgress, RunMeter
from llama_cli.progress.numbers import format_seconds
from llama_cli.records import RunProgress

Event = dict[str, Any]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (events, lines, meters):
        monkeypatch.setattr(module, "time", clock)
    return clock


def at(rows: int, total: int | None = 10_000) -> RunProgress:
    return RunProgress(
        rows=rows, tokens=20 * rows, bytes_read=10 * rows, bytes_total=total, bytes_written=0
    )


def test_share_rates_and_time_left(clock: Clock) -> None:
    meter = RunMeter()
    meter.add(at(0))
    clock.now += 10
    meter.add(at(250))
    assert meter.describe() == ["250 rows", "25%", "0:30 left", "25 texts/s", "500 tokens/s"]


def test_a_pipe_has_no_share_and_no_end(clock: Clock) -> None:
    meter = RunMeter()
    meter.add(at(0))
    clock.now += 10
    meter.add(at(250, total=None))
    assert meter.describe() == ["250 rows", "25 texts/s", "500 tokens/s"]


def test_rates_are_those_of_the_last_half_minute(clock: Clock) -> None:
    meter = RunMeter()
    for _ in range(100):
        clock.now += 1
        meter.add(at(0))
    for second in range(1, 41):
        clock.now += 1
        meter.add(at(7 * second))
    assert "7 texts/s" in meter.describe()


def test_rows_of_an_earlier_run_do_not_count_as_speed(clock: Clock) -> None:
    meter = RunMeter()
    meter.add(at(200))
    assert meter.describe()[-2:] == ["0 texts/s", "0 tokens/s"]
    clock.now += 10
    meter.add(at(250))
    assert meter.describe() == ["250 rows", "25%", "2:30 left", "5 texts/s", "100 tokens/s"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3661, "1:01:01")]
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_plain_lines_come_every_few_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    view = Lines(Console(stderr=True), RunMeter())
    view.update(at(0))
    for second in range(1, 13):
        clock.now += 1
        view.update(at(10 * second))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "50 rows, 5%, 1:35 left, 10 texts/s, 200 tokens/s",
        "100 rows, 10%, 1:30 left, 10 texts/s, 200 tokens/s",
    ]


def test_a_download_has_share_time_left_amount_and_rate(clock: Clock) -> None:
    meter = DownloadMeter()
    meter.add(DownloadProgress(1_000_000, 5_000_000))
    assert meter.describe() == ["20%", "1.0 MB of 5.0 MB"]
    clock.now += 10
    meter.add(DownloadProgress(2_000_000, 5_000_000))
    assert meter.describe() == ["40%", "0:30 left", "2.0 MB of 5.0 MB", "100.0 kB/s"]
    assert meter.facts() == {"bytes": 2_000_000, "bytes_total": 5_000_000}


def test_lines_of_a_download_say_so(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    view = Lines(Console(stderr=True), DownloadMeter(), "downloaded ")
    view.update(DownloadProgress(0, 100))
    clock.now += 5
    view.update(DownloadProgress(50, 100))
    assert capsys.readouterr().err == "downloaded 50%, 0:05 left, 50 B of 100 B, 10 B/s\n"


def test_events_come_twice_a_second_and_the_last_always(clock: Clock) -> None:
    said: list[Event] = []
    view = EventProgress(RunMeter(), said.append)
    for step in range(101):
        clock.now = 100 + step / 50
        view.update(at(step))
    assert [event["rows"] for event in said] == [0, 25, 50, 75, 100]
    assert [event["seconds"] for event in said] == [0, 0.5, 1, 1.5, 2]
    view.stop()
    assert len(said) == 5, "the last was told already"
    view.update(at(101))
    assert len(said) == 5
    view.stop()
    assert said[-1]["rows"] == 101
    assert said[-1]["rows_per_second"] == pytest.approx(50, abs=1)


def test_a_pipe_has_no_total() -> None:
    said: list[Event] = []
    view = EventProgress(RunMeter(), said.append)
    view.update(RunProgress(rows=0, tokens=0, bytes_read=0, bytes_total=None, bytes_written=0))
    assert said[0]["bytes_total"] is said[0]["seconds_left"] is None


def test_a_view_without_rows_says_nothing() -> None:
    said: list[Event] = []
    EventProgress(RunMeter(), said.append).stop()
    assert said == []
