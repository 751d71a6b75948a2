"""One run's options, resolved and checked. Nothing after this sees the command line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from llama_cli.engine.options import EmbedderOptions
from llama_cli.errors import InputError, OutputRefusedError, UsageError
from llama_cli.models.file import ModelFile
from llama_cli.output.target import beside


@dataclass(frozen=True, slots=True)
class EmbedJob:
    """Everything that decides what one run does.

    Attributes:
        input: the text file or pipe.
        output: the Parquet file to make, as the user named it.
        model: the model file.
        device: where it runs: ``auto``, ``cpu``, ``gpu``, or the name of one GPU.
        gpu_layers: layers on the GPU, -1 for all; None for all where there is one.
        embedder: how texts become vectors.
        batch_size: texts buffered before they go to the writer.
        line_numbers: whether to add the column ``line``.
        overwrite: whether an existing output may be replaced.
        restart: whether to discard what an unfinished run has done.
        commit_interval: seconds after which finished rows are made safe.
        float_copies: folder for F32 copies of weights, or None for not to make any.
        command: the words of the command line, for people; empty where there was none.
    """

    input: Path
    output: Path
    model: ModelFile
    device: str
    gpu_layers: int | None
    embedder: EmbedderOptions
    batch_size: int = 1024
    line_numbers: bool = False
    overwrite: bool = False
    restart: bool = False
    commit_interval: float = 60.0
    float_copies: Path | None = None
    command: tuple[str, ...] = ()

    @property
    def resumable(self) -> bool:
        """Whether the input can be read again from where an earlier run stopped."""
        return self.input.is_file() and not _is_descriptor(self.input)


def resolve_output(input_path: Path, output: str | None, *, overwrite: bool) -> Path:
    """The file to write, refused early where it cannot be written.

    Args:
        input_path: the input, from which a missing output takes its name.
        output: what the user named, or None.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: the input is not there.
        OutputRefusedError: the output is a folder, a device, the input, or exists already.
        UsageError: no output was named and the input has no name to go by.
    """
    try:
        _check_input(input_path)
    except OSError as error:
        raise InputError(f"{input_path}: {error.strerror}") from error
    if output is None:
        if not input_path.is_file() or _is_descriptor(input_path):
            raise UsageError("a pipe has no name: say where the output goes with -o FILE")
        path = input_path.with_suffix(".parquet")
    elif output.endswith("/"):
        raise OutputRefusedError(
            f"{output}: is a folder", path=Path(output), hint="name a file in it"
        )
    else:
        path = Path(output)
    try:
        if path.exists():
            _check_existing(path, input_path, overwrite=overwrite)
        _check_folder(Path(os.path.realpath(path)))
    except OSError as error:
        raise OutputRefusedError(f"{path}: {error.strerror}", path=path) from error
    return path


def _is_descriptor(path: Path) -> bool:
    """Whether it stands for an open file of this process, whose name is no name to go by."""
    return path == Path("/dev/stdin") or path.is_relative_to("/dev/fd")


def _check_input(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a text file")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: permission denied")


def _check_existing(output: Path, input_path: Path, *, overwrite: bool) -> None:
    if output.is_dir():
        raise OutputRefusedError(f"{output}: is a folder", path=output, hint="name a file in it")
    if not output.is_file():
        raise OutputRefusedError(
            f"{output}: is not a regular file, so it cannot be replaced", path=output
        )
    if output.samefile(input_path):
        raise OutputRefusedError(f"{output}: the output is the input itself", path=output)
    # A run that was killed when all but done is recognised by its journal.
    if not overwrite and not beside(output, ".journal").exists():
        raise OutputRefusedError(
            f"{output} exists already", path=output, hint="replace it with --overwrite"
        )


def _check_folder(target: Path) -> None:
    """The nearest existing folder must take a new entry; missing ones below it are made."""
    folder = next(parent for parent in target.parents if parent.exists())
    if not folder.is_dir():
        raise OutputRefusedError(
            f"{folder}: is not a folder, so {target.name} cannot go there", path=target
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputRefusedError(f"{folder}: cannot write in this folder", path=target)
