"""``python -m llama_cli`` and the installed command ``llama-cli``."""

from __future__ import annotations

import sys

from llama_cli.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
