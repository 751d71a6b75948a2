"""The worker process: it opens the model, then answers texts with vectors until told to end.

It keeps no file of the run and no lock, so nothing is lost when llama.cpp takes it down.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

from llama_cli.engine.description import read_description
from llama_cli.engine.devices import place_model
from llama_cli.engine.embedder import LlamaEmbedder
from llama_cli.engine.facts import resolve_pooling
from llama_cli.engine.float_copy import use_faster_weights
from llama_cli.engine.library import build_info, missing_instruction_sets
from llama_cli.engine.memory import give_back_large_blocks
from llama_cli.engine.model import open_replicas
from llama_cli.engine.options import EngineOptions
from llama_cli.engine.worker.channel import Channel
from llama_cli.records import TextRecord, VectorBatch

log = logging.getLogger(__name__)


def main(settings: str) -> None:
    """Serve the process that started this one; never returns.

    Args:
        settings: JSON with the two descriptors of the channel and whether to be verbose.
    """
    told: dict[str, Any] = json.loads(settings)
    give_back_large_blocks()
    _stay_until_the_parent_ends(debug=told["debug"])
    for end in (told["incoming"], told["outgoing"]):
        os.set_inheritable(end, False)
    channel = Channel(told["incoming"], told["outgoing"])
    _send_log(channel, debug=told["debug"])
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent has gone
        try:
            _serve(channel)
        except Exception as error:  # noqa: BLE001 - the parent raises it again
            if told["debug"]:
                traceback.print_exc()
            channel.send("error", error)
    sys.stderr.flush()
    os._exit(0)  # nothing here is worth the time that freeing it takes


def _serve(channel: Channel) -> None:
    channel.send("hello")
    asked = channel.receive()
    if asked.kind == "describe":
        channel.send("described", read_description(asked.content))
        return
    options: EngineOptions = asked.content
    with _open_embedder(options) as embedder:
        # A model whose every decode crashes is found out now, before there is a run to lose.
        embedder.warm_up()
        channel.send("ready", embedder.opened)
        while True:
            for batch in embedder.embed(_receive_texts(channel)):
                _send_vectors(channel, batch)
            channel.send("done")


@contextlib.contextmanager
def _open_embedder(options: EngineOptions) -> Iterator[LlamaEmbedder]:
    """The embedder, on the weights that are fastest on this machine."""
    log.debug("llama.cpp: %s", build_info())
    if missing := missing_instruction_sets():  # it may work: not every model needs all of them
        sys.stderr.write(f"it was built with {', '.join(missing)}\n")
    placement = place_model(options.device, options.gpu_layers)
    with open_replicas(options.model, placement) as (model, *replicas):
        pooling = resolve_pooling(model.facts, options.embedder.pooling)
        use_faster_weights(model, options.sha256, options.float_copies, pooling)
        with LlamaEmbedder(
            model, options.embedder, replicas=replicas, return_texts=False
        ) as embedder:
            yield embedder


def _receive_texts(channel: Channel) -> Iterator[TextRecord]:
    while (message := channel.receive()).kind == "texts":
        positions, sizes = message.content
        if len(sizes) == 1:  # it may be huge, so it is not copied, and let go of
            input_index, line = positions[0]
            yield TextRecord(message.parts.pop(), line, 0, input_index=input_index)
            continue
        (data,) = message.parts
        start = 0
        for (input_index, line), size in zip(positions, sizes, strict=True):
            yield TextRecord(data[start : start + size], line, 0, input_index=input_index)
            start += size


def _send_vectors(channel: Channel, batch: VectorBatch) -> None:
    """Send everything but the texts, which the parent still has."""
    numbers = (batch.sequence_lengths, batch.processing_times_ms)
    flags = (batch.valid, batch.truncated, batch.duplicates)
    channel.send("vectors", (len(batch.records), numbers, flags), [batch.embeddings.data])


def _stay_until_the_parent_ends(*, debug: bool) -> None:
    """Leave signals to the parent, but do not outlive it."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if not debug:
        # A model that crashes for each of ten texts must not fill the disk with core files.
        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Standard input is a pipe into which nothing is ever written: it ends with the parent."""
    os.read(0, 1)
    os._exit(0)


class _Forward(logging.Handler):
    """Log records to the parent, which knows where to show them."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            self._channel.send("log", (record.name, record.levelno, record.getMessage()))


def _send_log(channel: Channel, *, debug: bool) -> None:
    logger = logging.getLogger("llama_cli")
    logger.addHandler(_Forward(channel))
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    # llama.cpp's own log is long; its errors are in the exceptions already, unless it ends the
    # process: the parent keeps what was said last on stderr.
    llama_cpp = logging.getLogger("llama_cli.llama_cpp")
    llama_cpp.propagate = debug
    last_words = logging.StreamHandler(sys.stderr)
    last_words.setLevel(logging.ERROR)
    llama_cpp.addHandler(last_words)
