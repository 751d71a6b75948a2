"""Making what was written survive a power failure."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress


def sync(descriptor: int) -> None:
    """Wait until a file, or a folder's names, are on the disk.

    On macOS fsync leaves the data in the drive's own cache; F_FULLFSYNC does not, where the file
    system has it.

    Raises:
        OSError: the system refused.
    """
    if hasattr(fcntl, "F_FULLFSYNC"):
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)
