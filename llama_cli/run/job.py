"""One run's options, resolved and checked. Nothing after this sees the command line."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llama_cli.engine.options import EmbedderOptions
from llama_cli.errors import OutputRefusedError, UsageError
from llama_cli.inputs.resolve import Input, InputFile, is_descriptor, match_files
from llama_cli.inputs.sequence import ReadOptions
from llama_cli.inputs.stream import COMPRESSIONS
from llama_cli.models.file import ModelFile
from llama_cli.output.durable.target import Output, beside
from llama_cli.output.schema import DType, VectorType, own_columns
from llama_cli.run.report import refuse_other_file
from llama_cli.run.rows import SOURCE
from llama_cli.storage.address import is_remote, normalized, shown, unknown_scheme


@dataclass(frozen=True, slots=True)
class EmbedJob:
    """Everything that decides what one run does.

    Attributes:
        inputs: files and pipes, in order.
        reading: how they are read.
        output: the Parquet file to make, as the user named it: a path or a URL.
        model: the model file.
        device: where it runs: ``auto``, ``cpu``, ``gpu``, or the name of one GPU.
        gpu_layers: layers on the GPU, -1 for all; None for all where there is one.
        embedder: how texts become vectors.
        dtype: type of the vectors' floats in the file.
        vector_type: whether the file's lists of them have a fixed size.
        batch_size: texts that are encoded at a time.
        line_numbers: whether to add the column ``line``.
        with_source: whether to add the column ``source``.
        report: where to say which texts were truncated, not UTF-8, skipped or failed, or None.
        overwrite: whether an existing output may be replaced.
        restart: whether to discard what an unfinished run has done.
        commit_interval: seconds after which finished rows are made safe.
        float_copies: folder for F32 copies of weights, or None for not to make any.
        command: the words of the command line, for people; empty where there was none.
    """

    inputs: Sequence[Input]
    output: Output
    model: ModelFile
    device: str
    gpu_layers: int | None
    embedder: EmbedderOptions
    reading: ReadOptions
    dtype: DType = "float32"
    vector_type: VectorType = "fixed"
    batch_size: int = 1024
    line_numbers: bool = False
    with_source: bool = False
    report: Path | None = None
    overwrite: bool = False
    restart: bool = False
    commit_interval: float = 60.0
    float_copies: Path | None = None
    command: tuple[str, ...] = ()

    @property
    def resumable(self) -> bool:
        """Whether the inputs can be read again from where an earlier run stopped."""
        return all(file.is_regular for file in self.inputs)

    @property
    def own_columns(self) -> list[str]:
        """Names of the output's columns, those carried through aside."""
        return own_columns(line_numbers=self.line_numbers) + [SOURCE] * self.with_source


def check_prompt(prompt: str | None, task: str | None) -> None:
    """Refuse two prompts at once.

    Raises:
        UsageError: there are.
    """
    if prompt is not None and task is not None:
        raise UsageError(
            f"`task={task}` and `prompt`: each says what goes before a text",
            hint="leave one of them out",
            option="task",
        )


def name_output(words: Sequence[str], output: str | None) -> Output:
    """The file to write, with the name that it takes from the input where it was given none.

    Args:
        words: what the user named as inputs.
        output: what the user named, or None.

    Raises:
        OutputRefusedError: the name is that of a folder.
        UsageError: no output was named and there is no name to go by.
    """
    if output is not None:
        if reason := unknown_scheme(output):
            raise UsageError(reason)
        if output.endswith("/"):
            name = shown(output) if is_remote(output) else output
            raise OutputRefusedError(
                f"{name}: is a folder", path=Path(name), hint="name a file in it"
            )
        return normalized(output) if is_remote(output) else Path(output)
    if is_remote(words[0]):
        raise UsageError("an output is not made beside a URL: say where it goes with `output=FILE`")
    path = Path(words[0])
    mode = _mode(path)
    # A pattern that nothing matches is refused as such later.
    is_pattern = not mode and bool(match_files(words[0]))
    if len(words) > 1 or stat.S_ISDIR(mode) or is_pattern:
        raise UsageError(
            "several inputs have no name in common: name the output with `output=FILE`"
        )
    if words[0] == "-" or is_descriptor(path) or stat.S_ISFIFO(mode):
        raise UsageError("a pipe has no name: say where the output goes with `output=FILE`")
    if path.suffix.lower() in {kind.suffix for kind in COMPRESSIONS}:
        path = path.with_suffix("")
    made = path.with_suffix(".parquet")
    if made == path:
        raise UsageError(f"{path}: say where the output goes with `output=FILE`")
    return made


def _mode(path: Path) -> int:
    """What it is; 0 of what is not there, which `find_inputs` finds out as well."""
    with contextlib.suppress(OSError):
        return path.stat().st_mode
    return 0


def check_output(path: Output, inputs: Iterable[Input], *, overwrite: bool) -> None:
    """Refuse early an output that cannot be written.

    Args:
        path: the output.
        inputs: files that must not be replaced.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputRefusedError: it is a folder, a device, an input, or exists already.
        ParquetError: its server does not answer.
    """
    if isinstance(path, str):
        _check_remote(path, inputs, overwrite=overwrite)
        return
    try:
        if path.exists():
            _check_existing(path, inputs, overwrite=overwrite)
        _check_folder(Path(os.path.realpath(path)))
    except OSError as error:
        raise OutputRefusedError(f"{path}: {error.strerror}", path=path) from error


def check_report(
    report: Path | None, output: Output, inputs: Iterable[Input], *, overwrite: bool
) -> None:
    """Refuse early a report that cannot be written.

    Args:
        report: its file, or None.
        output: the output.
        inputs: files that must not be replaced.
        overwrite: whether an existing file may be replaced.

    Raises:
        UsageError: it is a folder, another file of the run, or one that is no report.
    """
    if report is None:
        return
    if report.is_dir():
        raise UsageError(f"`report={report}`: is a folder", option="report")
    others = [file.path for file in _files(inputs) if file.is_regular]
    others += [beside(output, ".journal"), beside(output, ".partial")]
    others += [output] if isinstance(output, Path) else []
    if any(os.path.realpath(report) == os.path.realpath(other) for other in others):
        raise UsageError(f"`report={report}`: is another file of this run", option="report")
    if not overwrite:
        try:
            refuse_other_file(report)
        except OSError as error:
            raise UsageError(f"`report={report}`: {error.strerror}", option="report") from error


def _check_existing(output: Path, inputs: Iterable[Input], *, overwrite: bool) -> None:
    if output.is_dir():
        raise OutputRefusedError(f"{output}: is a folder", path=output, hint="name a file in it")
    if not output.is_file():
        raise OutputRefusedError(
            f"{output}: is not a regular file, so it cannot be replaced", path=output
        )
    for file in _files(inputs):
        if output.samefile(file.path):
            raise OutputRefusedError(f"{output}: the output is the input itself", path=output)
    # A run that was killed when all but done is recognized by its journal.
    if not overwrite and not beside(output, ".journal").exists():
        raise OutputRefusedError(
            f"{output} exists already", path=output, hint="replace it with `overwrite`"
        )


def _check_remote(url: str, inputs: Iterable[Input], *, overwrite: bool) -> None:
    # Here and not above: a run that needs no network does not load what knows it.
    from llama_cli.output.durable.remote_target import find_remote

    if any(normalized(file.address) == url for file in inputs if is_remote(file.address)):
        raise OutputRefusedError(f"{url}: the output is the input itself")
    # A run that was killed when all but done is recognized by its journal.
    if find_remote(url) and not overwrite and not beside(url, ".journal").exists():
        raise OutputRefusedError(f"{url} exists already", hint="replace it with `overwrite`")


def _files(inputs: Iterable[Input]) -> Iterator[InputFile]:
    """Those that are on this machine."""
    return (file for file in inputs if isinstance(file, InputFile))


def _check_folder(target: Path) -> None:
    """The nearest existing folder must take a new entry; missing ones below it are made."""
    folder = next(parent for parent in target.parents if parent.exists())
    if not folder.is_dir():
        raise OutputRefusedError(
            f"{folder}: is not a folder, so {target.name} cannot go there", path=target
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputRefusedError(f"{folder}: cannot write in this folder", path=target)
