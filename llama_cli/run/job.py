"""One run's options, resolved and checked. Nothing after this sees the command line."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llama_cli.engine.options import EmbedderOptions
from llama_cli.errors import UsageError
from llama_cli.inputs.resolve import Input, is_descriptor, match_files
from llama_cli.inputs.sequence import ReadOptions
from llama_cli.inputs.stream import COMPRESSIONS
from llama_cli.models.file import ModelFile
from llama_cli.output.durable.target import Output, parse_output
from llama_cli.output.schema import SOURCE, DType, VectorType, own_columns
from llama_cli.storage.address import is_remote


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
        commit_interval: seconds after which finished rows are committed.
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
        return parse_output(output)
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
    named = path.with_suffix(".parquet")
    if named == path:
        raise UsageError(f"{path}: say where the output goes with `output=FILE`")
    return named


def _mode(path: Path) -> int:
    """The file's mode; 0 where there is none, which `find_inputs` finds out as well."""
    with contextlib.suppress(OSError):
        return path.stat().st_mode
    return 0
