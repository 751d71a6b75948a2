"""Disks of any size, where the machine lets tests mount them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# A mount of its own, gone with the process.
ON_SMALL_DISK = 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"'


def on_mount(script: str, folder: Path) -> list[str]:
    user = ["-r"] if os.getuid() else []
    return ["unshare", *user, "-m", "sh", "-c", script, "sh", str(folder)]


@functools.cache
def may_mount() -> bool:
    """Whether this machine lets us mount; containers mostly do not."""
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = [*on_mount(ON_SMALL_DISK, Path(folder)), "true"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
