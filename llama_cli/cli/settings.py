"""The options of a command as they were given, before anything is checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EmbedSettings:
    """What ``llama-cli embed`` was told; the fields are its options by name.

    ``command`` is the command line that would go on with this run.
    """

    input: Path
    output: str | None
    model: str | None
    filename: str | None
    batch_size: int
    normalize: bool
    max_length: int | None
    cut_long: bool
    pooling: str
    threads: int | None
    gpu_layers: int | None
    device: str
    dedup: bool
    f32_cache: bool
    line_numbers: bool
    overwrite: bool
    restart: bool
    commit_interval: float
    command: tuple[str, ...]
    progress: str
    quiet: bool
    as_json: bool
    debug: bool
