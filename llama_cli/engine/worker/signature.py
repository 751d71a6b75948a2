"""Noticing that a model is not the one it was."""

from __future__ import annotations

from pathlib import Path

from llama_cli.splits import model_parts

Signature = tuple[tuple[int, int, int, int], ...]


def model_signature(path: Path) -> Signature | None:
    """What changes when another file takes the name of the model's file, or of one of its parts.

    None where a file cannot be looked at.
    """
    try:
        states = [part.stat() for part in model_parts(path)]
    except OSError:
        return None
    return tuple((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for s in states)
