"""What llama.cpp can fail of, and which error of ours each failure is."""

from __future__ import annotations

import collections
from typing import Literal, NamedTuple

from llama_cli.errors import EngineError, LlamaCliError, ModelError

Failure = Literal[
    "load",
    "memory",
    "decode",
    "no vector",
    "no start",
    "crash",
    "killed",
    "many crashes",
    "device",
    "build",
]


class _Error(NamedTuple):
    kind: type[ModelError | EngineError]
    message: str
    hint: str | None = None


# {what} is what it failed with or at, {reason} what it said.
_ERRORS: dict[Failure, _Error] = {
    "load": _Error(ModelError, "{what}: cannot load the model: {reason}"),
    "memory": _Error(
        ModelError,
        "no memory for {what}, or the model cannot embed: {reason}",
        hint="try a smaller `max_length`, or `device=cpu`",
    ),
    "decode": _Error(EngineError, "llama.cpp could not decode a batch (code {what}): {reason}"),
    "no vector": _Error(EngineError, "llama.cpp gave no vector for a text"),
    "no start": _Error(EngineError, "the process for the model could not start ({reason})"),
    "crash": _Error(
        ModelError,
        "{what}: llama.cpp crashes on this model ({reason})",
        hint="the file is damaged, or this llama.cpp cannot run it; if it crashes with "
        "`model=builtin` as well, install llama-cpp-python anew",
    ),
    "killed": _Error(
        ModelError,
        "{what}: llama.cpp crashes on this model ({reason})",
        hint="free some memory, or use a smaller model",
    ),
    "many crashes": _Error(EngineError, "llama.cpp crashed {what} times in a row ({reason})"),
    "device": _Error(
        EngineError,
        "the GPU failed {what} ({reason})",
        hint="free memory on it, use a smaller `max_length`, or `device=cpu`",
    ),
    "build": _Error(
        EngineError,
        "llama.cpp was built for another CPU than this one ({reason})",
        hint="install llama-cpp-python anew on this machine, without pip's cache; "
        "for images that move, build it with CMAKE_ARGS=-DGGML_NATIVE=OFF",
    ),
}


_recent_errors: collections.deque[str] = collections.deque(maxlen=8)


def note_error(line: str) -> None:
    """Remember an error that llama.cpp logs."""
    _recent_errors.append(line)


def forget_errors() -> None:
    """Start afresh before a call whose failure they shall explain."""
    _recent_errors.clear()


def failure(kind: Failure, what: object = None, reason: object = None) -> LlamaCliError:
    """The error for a failure, to be raised.

    Args:
        kind: which failure it is.
        what: what it failed with or at.
        reason: why; if None, what llama.cpp logged first since `forget_errors`.
    """
    error = _ERRORS[kind]
    logged = (_without_prefix(line) for line in _recent_errors if line.strip())
    reason = reason or next(logged, "llama.cpp gave no reason")
    return error.kind(error.message.format(what=what, reason=reason), hint=error.hint)


def _without_prefix(line: str) -> str:
    """Drop the names of C++ functions that llama.cpp puts before its messages."""
    head, separator, tail = line.partition(": ")
    message = tail if separator and " " not in head else line
    return message.removeprefix("error loading model: ")
