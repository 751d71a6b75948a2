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
from typing import TextIO

import typer

from llama_cli.cli.events import write_event
from llama_cli.cli.invocation import Invocation
from llama_cli.cli.numbers import count
from llama_cli.cli.printable import printable
from llama_cli.cli.stderr import ForgivingStderr
from llama_cli.cli.usage import describe_mistake
from llama_cli.errors import (
    LlamaCliError,
    ModelError,
    OutputRefusedError,
    ParquetError,
    RunInterruptedError,
    UsageError,
)

_PATIENCE_SECONDS = 1.0

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ROWS_WITHOUT_VECTOR = 4
EXIT_INTERRUPTED = 130
EXIT_SIGNAL = 128


def report_failure(error: BaseException, invocation: Invocation) -> int:
    """Say what failed, as the given command line asked for it; returns the exit code."""
    message, code = _describe(error, invocation)
    trace = "".join(traceback.format_exception(error)) if invocation.debug else ""
    if invocation.as_json:
        with contextlib.suppress(OSError):  # stdout itself may be what failed
            print(json.dumps({"error": message, "exit_code": code}), flush=True)
    if isinstance(error, RunInterruptedError) and not _is_read(sys.stderr):
        return code  # whoever has stopped the run must not wait for a paused reader
    if invocation.as_events:
        more = {"traceback": trace} if trace else {}
        write_event("error", message=message, exit_code=code, **more)
    else:
        stderr = ForgivingStderr()
        stderr.write(f"{trace}llama-cli: error: {printable(message)}\n")
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


def _describe(error: BaseException, invocation: Invocation) -> tuple[str, int]:
    if isinstance(error, LlamaCliError):
        return _with_path_and_hint(error) + _from_outside(error, invocation), error.exit_code
    if isinstance(error, typer.TyperException):
        return describe_mistake(error), EXIT_USAGE
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
    if error.committed_rows and not isinstance(error, RunInterruptedError | OutputRefusedError):
        parts.append(f"the first {count(error.committed_rows, 'row')} are kept for the next run")
    return "; ".join(part for part in parts if part)


def _from_outside(error: LlamaCliError, invocation: Invocation) -> str:
    """The variables that a refused value came from: nobody would look for it there."""
    if not isinstance(error, UsageError | OutputRefusedError | ModelError):
        return ""
    message = str(error)
    named = [
        f"{variable}={value}"
        for variable, value in invocation.variables.items()
        if message.startswith(value) or f"{invocation.options[variable]} " in f"{message} "
    ]
    return f"; in the environment: {', '.join(named)}" if named else ""
