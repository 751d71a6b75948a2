"""``python -m llama_cli`` and the installed command ``llama-cli``."""

from __future__ import annotations

import os
import sys

from llama_cli.cli import app
from llama_cli.cli.errors import EXIT_INTERRUPTED


def main() -> int:
    """Run the command; returns its exit code."""
    code = app.main()
    if code == EXIT_INTERRUPTED:
        # A thread may still be inside llama.cpp: end without waiting for it, and without
        # taking its memory apart under it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
