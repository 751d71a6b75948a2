"""Ctrl-C, SIGTERM and SIGHUP: the run commits what is ready and ends, soon.

Not by way of exceptions that a signal raises. Those strike anywhere, in the middle of starting a
thread or of freeing memory too. A thread waits for the signals, asks the run to stop, and ends the
process itself where that takes too long or a second signal comes.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from llama_cli.cli.errors import EXIT_SIGNAL
from llama_cli.cli.messages import Messages
from llama_cli.cli.terminal import as_line
from llama_cli.errors import RunInterruptedError
from llama_cli.output.durable.partial import abandon_active
from llama_cli.progress.meters import DownloadProgress
from llama_cli.progress.numbers import count, format_bytes
from llama_cli.run.stop import StopSwitch
from llama_cli.storage.download import ProgressCallback

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# For what is ready to be encoded and synced.
_PATIENCE_SECONDS = 8.0
# What comes this soon is the same signal again: `timeout` sends it to the process, and at once to
# the group that the process is in. Nobody presses Ctrl-C twice within it.
_ECHO_SECONDS = 0.05
# Back to the line's start, erase it, show the cursor: what a progress bar leaves to be done.
_LEAVE_BAR = b"\r\x1b[2K\x1b[?25h"


class SignalWatch:
    """Turns a switch when a signal comes."""

    def __init__(self, *, as_json: bool, as_events: bool) -> None:
        """Watch for nothing yet; see `watched_signals`.

        Args:
            as_json: tell of an interruption on stdout as well.
            as_events: tell of it on stderr in the form of an event.
        """
        self.switch = StopSwitch()
        self.signal: int | None = None
        self.describe: Callable[[int], str] = lambda _: "interrupted"
        self._as_json = as_json
        self._as_events = as_events

    def wait(self, wake: int) -> None:
        """Read the numbers of signals from a pipe until it ends; runs in a thread."""
        while number := _next_signal(wake, None if self.signal is None else _PATIENCE_SECONDS):
            if self.signal is not None:
                self._leave(self.signal)
            self.signal = number
            if not self.switch.turn():  # the run has not begun: it may wait for a pipe
                self._leave(number)
            time.sleep(_ECHO_SECONDS)
            while _next_signal(wake, 0) > 0:
                pass

    def _leave(self, number: int) -> None:
        """End at once, without waiting for a thread inside a system call."""
        try:
            self._say(self.describe(abandon_active()), EXIT_SIGNAL + number)
        finally:
            end_by_signal(number)

    def _say(self, message: str, code: int) -> None:
        """Past Python's streams: the signal may have come in the middle of a write to one."""
        if self._as_json and sys.stdout is not None:
            _write(1, json.dumps({"error": message, "exit_code": code}).encode() + b"\n")
        if sys.stderr is None:
            return
        if self._as_events:
            _write(2, as_line("error", message=message, exit_code=code).encode())
        else:
            start = _LEAVE_BAR if os.isatty(2) else b""
            _write(2, start + f"llama-cli: error: {message}\n".encode())


def _write(descriptor: int, data: bytes) -> None:
    """Write what can be written without waiting: whoever reads it may have stopped doing so."""
    with contextlib.suppress(OSError):
        _, ready, _ = select.select([], [descriptor], [], 0)
        if ready:
            os.write(descriptor, data)


def end_by_signal(number: int) -> NoReturn:
    """End as interrupted programs do; from any thread."""
    if number == signal.SIGINT and os.isatty(2):
        # A shell stops its loop only for a child that died of the signal; it shows 130 as well.
        # Python lets only the main thread restore the default, so the C library is asked.
        ctypes.CDLL(None).signal(signal.SIGINT, None)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(EXIT_SIGNAL + number)


@contextlib.contextmanager
def watched_signals(watch: SignalWatch) -> Iterator[None]:
    """Watch for signals inside. Those that are ignored from the start stay so, as nohup wants.

    Raises:
        RunInterruptedError: that of the run, with words for people and the signal's exit code.
    """
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    before = {
        number: signal.signal(number, lambda *_: None)
        for number in _SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    before_fd = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch.wait, args=(wake_read,), daemon=True)
    watcher.start()
    try:
        yield
    except RunInterruptedError as error:
        explained = RunInterruptedError(watch.describe(error.committed_rows))
        explained.exit_code = EXIT_SIGNAL + (watch.signal or signal.SIGINT)
        raise explained from error
    finally:
        signal.set_wakeup_fd(before_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(wake_write)  # ends the watcher
        watcher.join()
        os.close(wake_read)


def _next_signal(wake: int, timeout: float | None) -> int:
    """Number of the next signal; -1 when time is up; 0 at the end."""
    while True:
        ready, _, _ = select.select([wake], [], [], timeout)
        if not ready:
            return -1
        number = os.read(wake, 1)
        if not number or number[0] in _SIGNALS:
            return number[0] if number else 0


@contextlib.contextmanager
def watched_download(watch: SignalWatch, messages: Messages) -> Iterator[ProgressCallback]:
    """Follow a download: it is shown, and spoken of where a signal ends it."""
    before = watch.describe
    views = contextlib.ExitStack()
    follow: Callable[[DownloadProgress], None] | None = None

    def on_progress(done: int, total: int) -> None:
        nonlocal follow
        if follow is None:  # what is not needed is not shown
            view = messages.start_download()
            views.callback(view.stop)
            follow = view.update
        watch.describe = lambda _: (
            f"interrupted; {format_bytes(done)} of the model's {format_bytes(total)} are "
            "downloaded, and the next run resumes from there"
        )
        follow(DownloadProgress(done, total))

    try:
        with views:
            yield on_progress
    finally:
        watch.describe = before


def describe_interruption(committed_rows: int, command: Sequence[str], *, resumable: bool) -> str:
    """What an interruption has cost, and how to resume."""
    if not resumable:
        return "interrupted; this input cannot be resumed, so nothing was written"
    if not committed_rows:
        return "interrupted before any row was committed; nothing was written"
    return f"interrupted; {count(committed_rows, 'row')} kept; resume with: {shlex.join(command)}"
