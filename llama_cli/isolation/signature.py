"""Noticing that a model file is not the one it was."""

from __future__ import annotations

from pathlib import Path

Signature = tuple[int, int, int, int]


def model_signature(path: Path) -> Signature | None:
    """What changes when another file takes the name; None where the file cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
