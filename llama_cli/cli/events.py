"""What ``--progress json`` writes: one JSON object a line on stderr. See ``docs/events.md``."""

from __future__ import annotations

import json
from typing import Any

from llama_cli.cli.stderr import ForgivingStderr


def write_event(event: str, **facts: Any) -> None:
    """Write one line, if anybody reads it."""
    stderr = ForgivingStderr()
    stderr.write(as_line(event, **facts))
    stderr.flush()


def as_line(event: str, **facts: Any) -> str:
    """The line. It is ASCII, so that it is the same in any locale and moves no cursor."""
    return json.dumps({"event": event} | facts) + "\n"
