"""Failures as one line on stderr and an exit code that scripts can trust.

0 done; 1 the run failed; 2 bad usage or input; 3 the model cannot be used; 4 done, but some rows
have no vector; 128 and the number of the signal that ended it: 129, 130, 143.
"""

from __future__ import annotations

import contextlib
import json
import select
import sys
import traceback
from collections.abc import Sequence
from typing import TextIO

import typer

from llama_cli.cli.numbers import count
from llama_cli.cli.printable import printable
from llama_cli.cli.stderr import ForgivingStderr
from llama_cli.errors import (
    LlamaCliError,
    OutputRefusedError,
    ParquetError,
    RunInterruptedError,
)

_PATIENCE_SECONDS = 1.0

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ROWS_WITHOUT_VECTOR = 4
EXIT_INTERRUPTED = 130
EXIT_SIGNAL = 128


def report_failure(error: BaseException, words: Sequence[str]) -> int:
    """Say what failed, as the given command line asked for it; returns the exit code."""
    message, code = _describe(error)
    if "--debug" in words:
        traceback.print_exception(error, file=ForgivingStderr())
    if "--json" in words:
        with contextlib.suppress(OSError):  # stdout itself may be what failed
            print(json.dumps({"error": message, "exit_code": code}), flush=True)
    if isinstance(error, RunInterruptedError) and not _is_read(sys.stderr):
        return code  # whoever has stopped the run must not wait for a paused reader
    stderr = ForgivingStderr()
    stderr.write(f"llama-cli: error: {printable(message)}\n")
    stderr.flush()
    return code


def _is_read(stream: TextIO | None) -> bool:
    """Whether a line can be written now, or soon."""
    if stream is None:
        return False
    with contextlib.suppress(OSError, ValueError):
        _, ready, _ = select.select([], [stream], [], _PATIENCE_SECONDS)
        return bool(ready)
    return True


def _describe(error: BaseException) -> tuple[str, int]:
    if isinstance(error, LlamaCliError):
        return _with_path_and_hint(error), error.exit_code
    if isinstance(error, typer.TyperException):
        return _usage_message(error), EXIT_USAGE
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", EXIT_INTERRUPTED
    if isinstance(error, MemoryError):
        return "out of memory; try a smaller --batch-size or --max-length", EXIT_FAILED
    kind = type(error).__name__
    return f"unexpected {kind}: {error} (please report this; --debug shows more)", EXIT_FAILED


def _with_path_and_hint(error: LlamaCliError) -> str:
    message = str(error)
    # Where writing failed the message is the system's; refusals name the path themselves.
    if isinstance(error, ParquetError) and not isinstance(error, OutputRefusedError):
        named = error.path is None or str(error.path) in message
        message = message if named else f"{error.path}: {message}"
    parts = [message, error.hint]
    if error.safe_rows and not isinstance(error, RunInterruptedError | OutputRefusedError):
        parts.append(f"the first {count(error.safe_rows, 'row')} are kept for the next run")
    return "; ".join(part for part in parts if part)


def _usage_message(error: typer.TyperException) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    message = message.replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "llama-cli"
    return f"{message}; see {command} --help"
