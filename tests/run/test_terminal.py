"""A run on a terminal leaves it as it was, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import pty
import re
import select
import signal
import subprocess
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.run.checks import assert_same_content
from tests.run.runs import PATIENCE, Job, outcome_of, resuming, wait_until

_PIECES = re.compile(r"\x1b\[(\??)(\d*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Terminal:
    """A terminal of which only as much is known as a progress bar uses."""

    def __init__(self) -> None:
        self._control, self.end = pty.openpty()
        self._shown = bytearray()
        self._gone = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def shown(self) -> str:
        return self._shown.decode("utf-8", "replace")

    def screen(self) -> tuple[list[str], bool]:
        """The lines with anything on them, and whether the cursor can be seen."""
        lines, row, column, cursor = {0: ""}, 0, 0, True
        for mark, number, letter, start, down, text in _PIECES.findall(self.shown):
            if letter == "A":
                row -= int(number or 1)
            elif letter == "K":
                lines[row] = ""
            elif mark and number == "25":
                cursor = letter == "h"
            elif start:
                column = 0
            elif down:
                row += 1
            elif text:
                line = lines.get(row, "").ljust(column)
                lines[row] = line[:column] + text + line[column + len(text) :]
                column += len(text)
        return [lines[row].rstrip() for row in sorted(lines) if lines[row].strip()], cursor

    def options(self) -> dict[str, Any]:
        """How to start a command on this terminal, as a shell does."""
        take = functools.partial(fcntl.ioctl, self.end, termios.TIOCSCTTY, 0)
        return {"stderr": self.end, "start_new_session": True, "preexec_fn": take}

    def type(self, keys: bytes) -> None:
        os.write(self._control, keys)

    def close(self, *, hang_up: bool = False) -> None:
        """Read all that is said until nobody has the terminal any more, or take it away at once."""
        if self.end >= 0:
            os.close(self.end)
            self.end = -1
            self._gone = hang_up
            self._reader.join(5)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # that is how a terminal ends
            while not self._gone:
                if select.select([self._control], [], [], 0.02)[0]:
                    self._shown += os.read(self._control, 4096)
        os.close(self._control)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _able_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")


def end(process: subprocess.Popen[str], terminal: Terminal) -> tuple[list[str], bool]:
    process.communicate(timeout=PATIENCE)
    terminal.close()
    return terminal.screen()


@pytest.mark.parametrize("times", [1, 2])
def test_a_stopped_run_takes_its_bar_away(plain: Job, terminal: Terminal, times: int) -> None:
    process = plain.start_held(**terminal.options())
    wait_until(lambda: "texts/s" in terminal.shown, process)
    for _ in range(times):
        process.send_signal(signal.SIGTERM)
    (line,), cursor = end(process, terminal)
    assert re.match(r"llama-cli: error: interrupted; [\d,]+ rows kept; resume with: ", line)
    assert cursor
    assert process.returncode in {143, -signal.SIGTERM}


def test_ctrl_c_reaches_all_processes_and_nothing_is_lost(
    plain: Job, expected: Path, terminal: Terminal
) -> None:
    process = plain.start_held(**terminal.options())
    wait_until(lambda: "texts/s" in terminal.shown, process)
    terminal.type(b"\x03")
    lines, cursor = end(process, terminal)
    assert re.search(r"error: interrupted; [\d,]+ rows kept; resume with: ", lines[-1])
    assert "crashed" not in terminal.shown
    assert cursor
    # A shell ends its loop for a command that died of Ctrl-C itself.
    assert process.returncode == -signal.SIGINT
    assert resuming(plain.finish())
    assert_same_content(plain.output, expected)


def test_the_window_is_closed(plain: Job, expected: Path, terminal: Terminal) -> None:
    process = plain.start_held(**terminal.options())
    wait_until(lambda: "texts/s" in terminal.shown, process)
    terminal.close(hang_up=True)
    assert outcome_of(process).code == 129
    assert resuming(plain.finish())
    assert_same_content(plain.output, expected)


def test_a_run_that_waits_for_a_pipe_takes_its_bar_away(
    folder: Path, tiny_bert: Path, terminal: Terminal
) -> None:
    job = Job(folder, tiny_bert)
    os.mkfifo(job.source)
    process = job.start(**terminal.options())
    wait_until(lambda: "starting" in terminal.shown, process)
    process.send_signal(signal.SIGTERM)
    (said, line), cursor = end(process, terminal)
    assert "this input cannot be resumed" in said
    assert "nothing was written" in line
    assert cursor


def test_what_is_said_stands_above_the_bar(unfinished: Job, terminal: Terminal) -> None:
    process = unfinished.start(**terminal.options())
    lines, cursor = end(process, terminal)
    assert process.returncode == 0
    assert re.fullmatch(r"llama-cli: resuming at row \d+, after line \d+ of in\.txt", lines[0])
    assert lines[-1].startswith("out.parquet (")
    assert len(lines) == 5
    assert cursor
