"""What an unfinished run and the one that resumes it must have in common."""

from __future__ import annotations

import collections
import logging
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from llama_cli.engine.facts import OpenedModel
from llama_cli.errors import InputError, OutputRefusedError
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.sequence import InputSequence
from llama_cli.output.durable.partial import PartialOutput
from llama_cli.output.provenance import FORMAT_VERSION
from llama_cli.output.schema import extra_columns
from llama_cli.run.job import EmbedJob
from llama_cli.storage.address import WEB, scheme_of

log = logging.getLogger(__name__)


def make_identity(
    job: EmbedJob, source: InputSequence, model: OpenedModel, digest: str, schema: pa.Schema
) -> dict[str, Any] | None:
    """What determines the rows, the inputs' content aside, in words fit for messages.

    Args:
        job: the run.
        source: its inputs.
        model: its model.
        digest: sha256 of that.
        schema: of the output.

    Returns:
        None where the run cannot be continued.
    """
    if not job.resumable:
        return None
    return {
        "format version": FORMAT_VERSION,
        "model": digest,
        "pooling": model.pooling,
        "normalization": "on" if job.embedder.normalize else "off",
        "maximum length": model.max_length,
        "prompt": model.prompt,
        "width of the vectors": model.dimension,
        "layer norm before the cut": "on" if model.layer_norm else "off",
        "type of the numbers": job.dtype,
        "type of the vectors": job.vector_type,
        "set of columns": schema.names,
        "types of columns": [str(field.type) for field in extra_columns(schema)],
        "way of reading": source.formats_and_columns,
        "limit": job.reading.limit,
    }


def describe_inputs(source: InputSequence) -> dict[str, Any]:
    """The inputs as a journal's first line has them."""
    files = [[file.name, file.address, file.version] for file in source.files]
    (_, first, _), *more = files
    return {"input": first if not more else f"{len(files)} inputs", "inputs": files}


def agree_on_inputs(job: EmbedJob, partial: PartialOutput) -> Sequence[Input]:
    """The inputs of the run: of one that resumes, those that it began with.

    Raises:
        OutputRefusedError: it began with others.
        InputError: one of them has another version on its server.
    """
    header = partial.header
    if header is None or header.identity is None or not partial.commits or job.restart:
        return job.inputs
    before = header.about.get("inputs") or []
    if not before:  # of an older version, whose identity is another as well
        return job.inputs
    now = collections.defaultdict(list)
    for file in job.inputs:
        now[file.address].append(file)
    then = [address for _, address, _ in before]
    if len(then) == len(job.inputs) == 1:  # it may have been renamed: what it holds is compared
        ((name, address, version),) = before
        (file,) = job.inputs
        _refuse_other_version(file, version)
        # Versions are compared in its place, and other files of a web server may have the same.
        if address != file.address and file.version and scheme_of(address) in WEB:
            raise _other_inputs(job, address)
        return [file.named(name) if job.with_source else file]
    times = collections.Counter(then)
    missing = [address for address in then if len(now[address]) < times[address]]
    if missing:
        raise _other_inputs(job, missing[0])
    if len(job.inputs) > len(then):
        log.info(
            "resuming the inputs that the run began with (%d); %d more are there now",
            len(then),
            len(job.inputs) - len(then),
        )
    # URLs that differ only in what is not stored are told apart by their order.
    chosen = [now[address].pop(0).named(name) for name, address, _ in before]
    for file, (_, _, version) in zip(chosen, before, strict=True):
        _refuse_other_version(file, version)
    return chosen


def _other_inputs(job: EmbedJob, missing: str) -> OutputRefusedError:
    return OutputRefusedError(
        f"{job.output}: an unfinished run is there, with other inputs, {missing} among them",
        hint="use the same again to resume, or discard that work with `restart`",
    )


def _refuse_other_version(file: Input, then: str) -> None:
    if then and file.version and file.version != then:
        raise InputError(
            f"{file.name}: is not what the unfinished run has read: its version was {then} and is "
            f"{file.version} now",
            hint="restore it, or discard that run with `restart`",
        )
