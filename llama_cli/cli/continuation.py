"""How an unfinished run goes on."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from llama_cli.cli.numbers import count

_MODULE = "__main__.py"


def command_to_go_on(words: Sequence[str]) -> list[str]:
    """The command line that goes on with a run begun by these words; no program where none."""
    if not words:
        return []
    program = sys.argv[0] if sys.argv else ""
    start = [sys.executable, "-m", "llama_cli"] if Path(program).name == _MODULE else ["llama-cli"]
    return [*start, *(word for word in words if word != "--restart")]


def describe_interruption(safe_rows: int, command: Sequence[str], *, resumable: bool) -> str:
    """What an interruption has cost, and how to go on."""
    if not resumable:
        return "interrupted; this input cannot be resumed, so nothing was written"
    if not safe_rows:
        return "interrupted before any row was safe; nothing was written"
    return f"interrupted; {count(safe_rows, 'row')} kept; go on with: {shlex.join(command)}"
