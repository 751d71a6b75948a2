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
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # too late for Ctrl-C to change anything
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        # Python itself would now and then end by the signal, when it struck in an `exec`.
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
