"""How an unfinished run goes on."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from llama_cli.cli.numbers import count

_NAME = "llama-cli"


def command_to_go_on(words: Sequence[str]) -> list[str]:
    """The command line that goes on with a run begun by these words; no program where none."""
    if not words:
        return []
    start = [sys.executable, "-m", "llama_cli"] if _runs_as_module() else [_program()]
    return [*start, *(word for word in words if word != "--restart")]


def _runs_as_module() -> bool:
    return Path(sys.argv[0]).name == "__main__.py"


def _program() -> str:
    """The command's name, with its folder where the shell would not find that one by its name."""
    found = shutil.which(_NAME)
    own = Path(sys.argv[0])
    if own.name != _NAME or (found and own.exists() and own.samefile(found)):
        return _NAME
    return str(own)


def describe_interruption(safe_rows: int, command: Sequence[str], *, resumable: bool) -> str:
    """What an interruption has cost, and how to go on."""
    if not resumable:
        return "interrupted; this input cannot be resumed, so nothing was written"
    if not safe_rows:
        return "interrupted before any row was safe; nothing was written"
    return f"interrupted; {count(safe_rows, 'row')} kept; go on with: {shlex.join(command)}"
