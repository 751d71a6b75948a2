"""What a run has open before its first text: inputs, model, and the columns of the output."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from llama_cli.engine.facts import OpenedModel
from llama_cli.engine.options import EngineOptions
from llama_cli.engine.worker.engine import WorkerEngine, model_signature
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.sequence import InputSequence
from llama_cli.output.schema import output_schema
from llama_cli.run.job import EmbedJob
from llama_cli.run.sink import RowMaker
from llama_cli.run.stop import StopSwitch


@dataclass(frozen=True, slots=True)
class Session:
    """All that is open.

    Attributes:
        inputs: their texts, none of which has been read.
        engine: with the model.
        model: what is known of that.
        digest: sha256 of its file.
        maker: makes rows of what the engine makes of texts.
        schema: of the output.
    """

    inputs: InputSequence
    engine: WorkerEngine
    model: OpenedModel
    digest: str
    maker: RowMaker
    schema: pa.Schema


@contextlib.contextmanager
def open_session(job: EmbedJob, files: Sequence[Input], stop: StopSwitch) -> Iterator[Session]:
    """Look at the inputs and open the model, each while the other waits.

    Args:
        job: what to do.
        files: what to read.
        stop: ends the engine when it is turned.

    Raises:
        RunInterruptedError: the switch was turned, also while the session is in use.
        LlamaCliError: one of them cannot be used.
    """
    with InputSequence(files, job.reading) as inputs, WorkerEngine() as engine:
        if not job.resumable:  # a pipe may keep it waiting, when there is nothing yet to stop
            inputs.detect_formats(job.own_columns)
        with stop.calls(engine.stop):
            engine.start()
            if job.resumable:
                inputs.detect_formats(job.own_columns)
            yield _open_model(job, inputs, engine)


def _open_model(job: EmbedJob, inputs: InputSequence, engine: WorkerEngine) -> Session:
    signature = model_signature(job.model.path)
    digest = job.model.sha256()
    options = EngineOptions(
        model=job.model.path,
        sha256=digest,
        device=job.device,
        gpu_layers=job.gpu_layers,
        embedder=job.embedder,
        float_copies=job.float_copies,
    )
    model = engine.open(options, signature)
    names = [file.name for file in inputs.files] if job.with_source else None
    maker = RowMaker(job.line_numbers, names, inputs.carried)
    schema = output_schema(
        model.dimension,
        line_numbers=job.line_numbers,
        dtype=job.dtype,
        vector_type=job.vector_type,
        extra=maker.extra,
    )
    return Session(inputs, engine, model, digest, maker, schema)
