"""The bar on a real terminal, the lines in a log, and silence."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from llama_cli.progress import events, lines, meters
from llama_cli.progress.lines import Lines
from llama_cli.progress.meters import RunMeter
from llama_cli.progress.numbers import format_seconds
from llama_cli.records import RunProgress


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


def run_on_a_terminal(columns: int, source: Path, model: Path) -> str:
    """All that the command sends to a terminal of that width."""
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "llama_cli", "embed", source, "-m", model, "--threads", "1"],
        stderr=terminal,
        stdout=terminal,
        env={name: value for name, value in os.environ.items() if name != "CI"}
        | {"COLUMNS": str(columns), "TERM": "xterm-256color"},
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            seen += os.read(control, 65536)
        except OSError:  # the terminal's last user has gone
            break
    assert process.wait() == 0
    os.close(control)
    return seen.decode()


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_a_bar_on_a_terminal(tmp_path: Path, tiny_bert: Path, columns: int) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(f"water and time {i}\n" for i in range(30_000)), "utf-8")
    seen = run_on_a_terminal(columns, source, tiny_bert)
    frames = re.split(r"\r|\x1b\[2K", seen)
    bars = [frame for frame in frames if "━" in frame]
    assert any("rows" in bar for bar in bars)
    assert any(re.search(r"[1-9]\d?%", bar) for bar in bars)
    plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", bar) for bar in bars]
    assert max(map(len, plain)) <= columns - 3, "there must be room for ^C"
    if columns == 160:
        assert any("texts/s" in bar and "left" in bar and "tokens/s" in bar for bar in bars)
    assert "30,000 rows" in frames[-1].splitlines()[0] or "30,000 rows" in seen.splitlines()[-2]
    assert "\x1b[?25h" in seen, "the cursor must come back"


def test_no_control_characters_in_a_log(tmp_path: Path, tiny_bert: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("water and time\n" * 100, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "llama_cli", "embed", source, "-m", tiny_bert],
        capture_output=True,
        check=True,
        env=os.environ | {"CI": "true", "TERM": "xterm-256color", "FORCE_COLOR": "1"},
    )
    assert done.stdout == b""
    assert all(byte >= 32 or byte == 10 for byte in done.stderr)
