"""``python -m llama_cli`` and the installed command ``llama-cli``."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130


def main() -> int:
    """Run the command; returns its exit code."""
    try:
        from llama_cli.cli import app  # here, so that Ctrl-C during the import is quiet too

        code = app.main()
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        _end_at_once()
    return code


def _end_at_once() -> None:
    """End as interrupted programs do, without waiting for a thread inside llama.cpp."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    if sys.stderr is not None and sys.stderr.isatty():
        # A shell stops its loop only for a child that died of the signal. It shows 130 as well.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
