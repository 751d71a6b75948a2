"""``python -m llama_cli`` and the installed command ``llama-cli``."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130


def main() -> int:
    """Run the command; returns its exit code."""
    # Jobs in the background may have been told to ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end_interrupted)
    from llama_cli.cli import app  # only now, so that Ctrl-C is quiet during the import as well

    code = app.main()
    if code == INTERRUPTED:
        _end_interrupted()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is too late to change anything
    return code


def _end_interrupted(*_: object) -> None:
    """End as interrupted programs do. An exception might be lost, or strike anywhere."""
    if os.isatty(2):
        # A shell stops its loop only for a child that died of the signal; it shows 130 as well.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
