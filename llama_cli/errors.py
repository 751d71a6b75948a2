"""Every error this package raises on purpose.

    LlamaCliError                  exit 1: the run failed
    ├── UsageError                 exit 2: an option, the input or the output was refused
    │   ├── InputError             an input is missing, unreadable or not in its format
    │   │   └── BadRowError        a row of it cannot be used and leaving it out was not allowed
    │   └── TextTooLongError       a text is over the limit and truncating was not allowed
    ├── ModelError                 exit 3: the model cannot be used
    ├── InputReadError             exit 1: the system refused to read on
    ├── EngineError                exit 1: llama.cpp failed while embedding
    ├── RunInterruptedError        exit 130, 143 or 129: a signal asked the run to stop
    └── ParquetError               exit 1: writing the output failed
        ├── ArrowConversionError   "Arrow error: …"
        ├── ParquetFormatError     "Parquet error: …"
        ├── ParquetIOError         "IO error: …"
        ├── SchemaMismatchError    "Schema mismatch: expected 384 dimensions, got 128"
        ├── OutputRefusedError     exit 2: the output may not be written there
        └── OutputLockedError      another run is writing the same output

Errors of llama.cpp, pyarrow and the operating system are translated at the edge where they
arise and kept as ``__cause__``. Only ``llama_cli.cli`` turns an error into words on a terminal
and an exit code.

An error knows the option that it is about by the name of its field, such as ``max_length``.
Messages and hints name options so as well, in backticks and with a value where one is meant, as in
"leave out `on_long=error`": whoever calls a class can pass that, and ``llama_cli.cli`` spells it
as a flag.
"""

from __future__ import annotations

from pathlib import Path


class LlamaCliError(Exception):
    """Base of every expected failure.

    Attributes:
        exit_code: what the command exits with.
        hint: what the user can do about it, or None.
        option: the option that was refused, by the name of its field; None if it is about none.
        committed_rows: rows of an unfinished run that the same command would keep.
    """

    exit_code = 1
    option: str | None = None

    def __init__(self, message: str, *, hint: str | None = None, option: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.option = option or self.option
        self.committed_rows = 0


class UsageError(LlamaCliError):
    """An option, the input or the output was refused before any work was done."""

    exit_code = 2


class InputError(UsageError):
    """An input is missing, unreadable or not in its format."""


class BadRowError(InputError):
    """A row of an input cannot be used and leaving it out was not allowed."""


class InputReadError(LlamaCliError):
    """The input was good, and then could not be read any further."""


class TextTooLongError(UsageError):
    """A text has more tokens than allowed and truncating it was not allowed either.

    Attributes:
        source: number of its input.
        line: its line there.
        max_length: the tokens allowed.
    """

    def __init__(self, source: int, line: int, max_length: int, place: str | None = None) -> None:
        super().__init__(
            f"{place or f'line {line}'}: the text has more than {max_length} tokens",
            hint="shorten it, or leave out `on_long=error` to truncate it",
            option="on_long",
        )
        self.source = source
        self.line = line
        self.max_length = max_length

    def at(self, place: str) -> TextTooLongError:
        """The same error with words for the place."""
        return TextTooLongError(self.source, self.line, self.max_length, place)

    def __reduce__(self) -> tuple[type[TextTooLongError], tuple[int, int, int]]:
        """For its way from one process to another."""
        return TextTooLongError, (self.source, self.line, self.max_length)


class ModelError(LlamaCliError):
    """The model file cannot be used: missing, damaged, unfit for embedding, or too large."""

    exit_code = 3
    option = "model"


class EngineError(LlamaCliError):
    """llama.cpp reported a failure while embedding."""


class RunInterruptedError(LlamaCliError):
    """The run was asked to stop, and has."""

    exit_code = 130


class ParquetError(LlamaCliError):
    """Writing the Parquet file failed.

    Attributes:
        path: the output concerned, or None where no file is involved (pure conversions).
    """

    def __init__(self, message: str, *, path: Path | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class ArrowConversionError(ParquetError):
    """Results could not be turned into an Arrow batch."""

    def __init__(self, detail: object, *, path: Path | None = None) -> None:
        super().__init__(f"Arrow error: {detail}", path=path)


class ParquetFormatError(ParquetError):
    """The Parquet library refused to encode or finish the file."""

    def __init__(self, detail: object, *, path: Path | None = None) -> None:
        super().__init__(f"Parquet error: {detail}", path=path)


class ParquetIOError(ParquetError):
    """The operating system refused a write, sync or rename."""

    def __init__(
        self, detail: object, *, path: Path | None = None, hint: str | None = None
    ) -> None:
        super().__init__(f"IO error: {detail}", path=path, hint=hint)


class SchemaMismatchError(ParquetError):
    """An embedding does not have the dimension of the file."""

    def __init__(self, expected: int, actual: int, *, path: Path | None = None) -> None:
        super().__init__(
            f"Schema mismatch: expected {expected} dimensions, got {actual}", path=path
        )
        self.expected = expected
        self.actual = actual


class OutputRefusedError(ParquetError):
    """The output may not be written there."""

    exit_code = 2
    option = "output"


class OutputLockedError(ParquetError):
    """Another process holds the lock on the same output."""
