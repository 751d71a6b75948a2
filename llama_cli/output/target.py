"""The output's own name: what may be there, and how a finished file gets it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from llama_cli.errors import OutputRefusedError
from llama_cli.output.durable import sync


class Target:
    """Where a finished file goes. A link is followed and stays a link."""

    def __init__(self, output: Path, *, overwrite: bool) -> None:
        """Make the folders above it where they are missing.

        Args:
            output: as the user named it.
            overwrite: whether an existing file may be replaced.

        Raises:
            OutputRefusedError: something is there that is not a file.
            OSError: the system refused.
        """
        self.output = output
        self._overwrite = overwrite
        self._is_there()
        self.path = Path(os.path.realpath(output))
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def check(self) -> None:
        """Make sure that a file may take the name.

        Raises:
            OutputRefusedError: it may not.
            OSError: the system refused.
        """
        if self._is_there() and not self._overwrite:
            raise OutputRefusedError(
                f"{self.output} exists already",
                path=self.output,
                hint="replace it with --overwrite",
            )

    def sync_folder(self) -> None:
        """Make new names durable. Some file systems cannot; failing would help nobody."""
        with suppress(OSError):
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                sync(folder)
            finally:
                os.close(folder)

    def _is_there(self) -> bool:
        try:
            mode = self.output.stat().st_mode
        except FileNotFoundError:
            return False
        if stat.S_ISDIR(mode):
            raise OutputRefusedError(
                f"{self.output} is a folder", path=self.output, hint="name a file in it"
            )
        if not stat.S_ISREG(mode):
            raise OutputRefusedError(f"{self.output} is not a regular file", path=self.output)
        return True


def beside(output: Path, suffix: str) -> Path:
    """The file of an unfinished output with that suffix; a link is followed."""
    target = Path(os.path.realpath(output))
    return target.with_name(target.name + suffix)
