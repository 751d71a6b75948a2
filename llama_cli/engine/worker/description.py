"""Reading what a model file says of itself: apart, since a damaged one may end the process."""

from __future__ import annotations

import logging
from pathlib import Path

from llama_cli.engine.description import ModelDescription
from llama_cli.engine.worker.process import Child


def describe_apart(path: Path) -> ModelDescription:
    """What a model file says of itself, read in a process of its own.

    Raises:
        ModelError: llama.cpp cannot read it, or crashes on it.
        EngineError: the process could not be started.
    """
    debug = logging.getLogger("llama_cli").isEnabledFor(logging.DEBUG)
    child = Child(debug=debug, said=set())
    try:
        return child.describe(path)
    finally:
        child.close()
