"""Failures as one line on stderr and an exit code that scripts can trust.

0 done; 1 the run failed; 2 bad usage or input; 3 the model cannot be used; 4 done, but some rows
have no vector; 128 and the number of the signal that ended it: 129, 130, 143.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import select
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import typer

from llama_cli.cli.invocation import Invocation, variable_of
from llama_cli.cli.options import FLAGS, spell_options
from llama_cli.cli.terminal import ForgivingStderr, printable, write_event
from llama_cli.errors import (
    LlamaCliError,
    ModelError,
    OutputRefusedError,
    ParquetError,
    RunInterruptedError,
    UsageError,
)
from llama_cli.progress.numbers import count

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
        message = spell_options(_with_path_and_hint(error))
        return message + _from_environment(error, invocation), error.exit_code
    if isinstance(error, typer.TyperException):
        return _describe_mistake(error), EXIT_USAGE
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


def _from_environment(error: LlamaCliError, invocation: Invocation) -> str:
    """The variable that a refused value came from: nobody would look for it there."""
    if not isinstance(error, UsageError | OutputRefusedError | ModelError):
        return ""
    variable = variable_of(FLAGS[error.option]) if error.option in FLAGS else ""
    if variable not in invocation.variables:
        return ""
    return f"; in the environment: {variable}={invocation.variables[variable]}"


def _describe_mistake(error: typer.TyperException) -> str:
    """What is wrong with the command line, and what was probably meant or where to look."""
    context: Any = getattr(error, "ctx", None)  # no public type
    message = " ".join(_message(error, context).split()).rstrip(".")
    message = message.replace("Value error, ", "").replace("Input should", "it should")
    message = message.partition(", unable to ")[0]
    if suggestion := _did_you_mean(message, context):
        return f"{message}; did you mean {suggestion}?"
    return f"{message}; see {context.command_path if context else 'llama-cli'} --help"


def _message(error: typer.TyperException, context: Any) -> str:
    if isinstance(error, typer.BadParameter) and error.param and context:
        variable = error.param.envvar
        source = context.get_parameter_source(error.param.name)
        if source and source.name == "ENVIRONMENT" and isinstance(variable, str):
            value = os.environ[variable]
            return f"Invalid value in the environment: {variable}={value}: {error.message}"
    # Typer would list all options that are near.
    return error.message if hasattr(error, "possibilities") else error.format_message()


def _did_you_mean(message: str, context: Any) -> str | None:
    """The name that was probably meant: of an option, a command, or one of few values."""
    if mistyped := re.fullmatch(r"No such option: (\S+)", message):
        parameters = context.command.get_params(context)
        names = [name for p in parameters for name in (*p.opts, *p.secondary_opts)]
        return _nearest(mistyped[1], (name for name in names if name.startswith("--")))
    if mistyped := re.fullmatch(r"No such command '(.+)'", message):
        if nearest := _nearest(mistyped[1], context.command.commands):
            return nearest
        is_file = context.parent is None and Path(mistyped[1]).exists()
        return f"{context.command_path} embed {mistyped[1]}" if is_file else None
    if mistyped := re.search(r"'([^']*)' is not one of (.+)", message):
        return _nearest(mistyped[1], re.findall("'([^']*)'", mistyped[2]))
    return None


def _nearest(word: str, names: Iterable[str]) -> str | None:
    # Their dashes would make all options alike.
    known = {name.lstrip("-"): name for name in names}
    word = word.lstrip("-").lower()
    begun = [name for name in known if name.startswith(word)]
    near = begun if len(begun) == 1 else difflib.get_close_matches(word, known, n=1)
    return known[near[0]] if near else None
