"""The options of a command as they were given, before anything is checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EmbedSettings:
    """What ``llama-cli embed`` was told; the fields are its options by name.

    ``command`` is the command line that would resume this run.
    """

    inputs: tuple[str, ...]
    format: str | None
    column: str | None
    keep: tuple[str, ...]
    skip_bad_rows: bool
    limit: int | None
    output: str | None
    model: str | None
    filename: str | None
    batch_size: int
    prompt: str | None
    task: str | None
    normalize: bool
    dims: int | None
    dtype: str
    vector_type: str
    max_length: int | None
    truncate_long: bool
    pooling: str
    threads: int | None
    gpu_layers: int | None
    device: str
    dedup: bool
    f32_cache: bool
    line_numbers: bool
    with_source: bool
    report: str | None
    overwrite: bool
    dry_run: bool
    restart: bool
    commit_interval: float
    command: tuple[str, ...]
    progress: str
    quiet: bool
    as_json: bool
    debug: bool
