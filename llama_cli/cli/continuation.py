"""How an unfinished run resumes."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from llama_cli.cli.invocation import Invocation
from llama_cli.cli.numbers import count
from llama_cli.storage.address import words_shown

_NAME = "llama-cli"


def resume_command(invocation: Invocation) -> list[str]:
    """The command line that resumes a run begun like this; no program where none.

    It says what the environment has said: it may be run from another terminal, or next week.
    """
    if not invocation.words:
        return []
    variables = [f"{name}={value}" for name, value in invocation.variables.items()]
    start = [sys.executable, "-m", "llama_cli"] if _runs_as_module() else [_program()]
    words = words_shown(word for word in invocation.words if word != "--restart")
    return [*(["env", *variables] if variables else []), *start, *words]


def _runs_as_module() -> bool:
    return Path(sys.argv[0]).name == "__main__.py"


def _program() -> str:
    """The command's name, with its folder where the shell would not find that one by its name."""
    found = shutil.which(_NAME)
    own = Path(sys.argv[0])
    if own.name != _NAME or (found and own.exists() and own.samefile(found)):
        return _NAME
    return str(own)


def describe_interruption(committed_rows: int, command: Sequence[str], *, resumable: bool) -> str:
    """What an interruption has cost, and how to resume."""
    if not resumable:
        return "interrupted; this input cannot be resumed, so nothing was written"
    if not committed_rows:
        return "interrupted before any row was safe; nothing was written"
    return f"interrupted; {count(committed_rows, 'row')} kept; resume with: {shlex.join(command)}"
