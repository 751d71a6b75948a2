"""What an engine is told, by the process that wants the vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llama_cli.engine.facts import PoolingChoice

Task = Literal["document", "query"]
OnLong = Literal["truncate", "error"]
ClosingToken = Literal["auto", "yes", "no"]


@dataclass(frozen=True, slots=True)
class EmbedderOptions:
    """How texts become vectors.

    Attributes:
        pooling: ``auto`` for what the model file says, else ``mean``, ``cls`` or ``last``.
        normalize: whether vectors are scaled to length 1.
        dims: numbers of each vector to keep, the first ones; None for all.
        prompt: put before each text for the model alone; None where none was given.
        task: chooses one of the model's own prompts instead; None for none.
        max_length: most tokens of a text, special tokens included; None for the model's own.
        closing_token: whether a special token closes each text; ``auto`` for what the file says.
        on_long: ``truncate`` longer texts, or raise `TextTooLongError` (``error``).
        threads: CPU threads in all.
        dedup: compute a text that came not long ago only once.
        decode_seconds: after so long texts are only tokenized, and get no vector; None for never.
    """

    pooling: PoolingChoice = "auto"
    normalize: bool = True
    dims: int | None = None
    prompt: str | None = None
    task: Task | None = None
    max_length: int | None = None
    closing_token: ClosingToken = "auto"  # noqa: S105 - no password
    on_long: OnLong = "truncate"
    threads: int = 1
    dedup: bool = True
    decode_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The model, where it goes, and how its vectors are made.

    Attributes:
        model: the GGUF file.
        sha256: of that file, lower-case hex.
        device: ``auto``, ``cpu``, ``gpu``, or the name of one GPU as llama.cpp gives it.
        gpu_layers: layers on the GPU, -1 for all; None for all where there is one.
        embedder: how texts become vectors.
        float_copies: folder for F32 copies of weights, or None for not to make any.
    """

    model: Path
    sha256: str
    device: str
    gpu_layers: int | None
    embedder: EmbedderOptions
    float_copies: Path | None = None
