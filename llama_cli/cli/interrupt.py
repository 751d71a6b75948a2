"""Ctrl-C: the partial output is removed, one line is said, and the process ends at once.

Not by way of KeyboardInterrupt. That strikes anywhere, in the middle of starting a thread or of
freeing memory too, and leaves other threads computing on what is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator

from llama_cli.cli.errors import EXIT_INTERRUPTED
from llama_cli.output.partial import discard_active

_MESSAGE = "interrupted; no output was written"
# Back to the line's start, erase it, show the cursor: what a progress bar leaves to be done.
_LEAVE_BAR = b"\r\x1b[2K\x1b[?25h"


@contextlib.contextmanager
def ended_by_ctrl_c(*, as_json: bool) -> Iterator[None]:
    """Let Ctrl-C end the process inside, unless the output already has its name.

    A thread does it, woken by the signal itself. The main thread would learn of a signal only
    after the read or the native call that it is just about to enter.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a job in the background
        yield
        return
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    before = signal.signal(signal.SIGINT, lambda *_: None)
    before_fd = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(wake_read, as_json), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before_fd)
        signal.signal(signal.SIGINT, before)
        os.close(wake_write)  # ends the watcher
        watcher.join()
        os.close(wake_read)


def _watch(wake: int, as_json: bool) -> None:
    while number := os.read(wake, 1):
        if number[0] == signal.SIGINT and discard_active():
            _say(as_json=as_json)
            _end_interrupted()


def _end_interrupted() -> None:
    """End as interrupted programs do, without waiting for a thread inside llama.cpp."""
    if os.isatty(2):
        # A shell stops its loop only for a child that died of the signal; it shows 130 as well.
        # Python lets only the main thread restore the default, so the C library is asked.
        ctypes.CDLL(None).signal(signal.SIGINT, None)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(EXIT_INTERRUPTED)


def _say(*, as_json: bool) -> None:
    """Past Python's streams: the signal may have come in the middle of a write to one."""
    with contextlib.suppress(OSError):
        if as_json and sys.stdout is not None:
            failure = {"error": _MESSAGE, "exit_code": EXIT_INTERRUPTED}
            os.write(1, json.dumps(failure).encode() + b"\n")
    with contextlib.suppress(OSError):
        if sys.stderr is not None:
            start = _LEAVE_BAR if os.isatty(2) else b""
            os.write(2, start + f"llama-cli: error: {_MESSAGE}\n".encode())
