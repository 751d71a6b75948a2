"""One copy of a model on each GPU, so that all of them work on different texts."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from llama_cli.engine.devices import ALL_LAYERS, Placement
from llama_cli.engine.model import Model
from llama_cli.errors import ModelError

log = logging.getLogger(__name__)


@contextlib.contextmanager
def open_replicas(path: Path, placement: Placement) -> Iterator[list[Model]]:
    """Load a model once for each GPU; once in all on the CPU, or where a GPU cannot hold it.

    Raises:
        ModelError: the model cannot be loaded.
    """
    with contextlib.ExitStack() as stack:
        alone = placements_alone(placement)
        try:
            models = _load(stack, path, alone)
        except ModelError as error:
            if len(alone) == 1:
                raise
            log.debug("the model goes over all GPUs together, because of one alone: %s", error)
            stack.close()
            models = _load(stack, path, [placement])
        yield models


def placements_alone(placement: Placement) -> list[Placement]:
    """Each GPU by itself; the placement as it is where it says how many layers go to GPUs."""
    if placement.gpu_layers != ALL_LAYERS or len(placement.devices) <= 1:
        return [placement]
    return [Placement((device,), ALL_LAYERS) for device in placement.devices]


def _load(stack: contextlib.ExitStack, path: Path, where: Sequence[Placement]) -> list[Model]:
    return [stack.enter_context(Model(path, placement)) for placement in where]
