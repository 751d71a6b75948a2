"""Whether and where a run resumes what an earlier process began."""

from __future__ import annotations

import collections
import logging
from collections.abc import Sequence
from pathlib import Path

from llama_cli.errors import InputError, OutputRefusedError
from llama_cli.inputs.fingerprint import Fingerprint
from llama_cli.inputs.resolve import Input
from llama_cli.inputs.sequence import InputSequence
from llama_cli.output.durable.partial import PartialOutput, another_run
from llama_cli.output.provenance import FORMAT_VERSION, Provenance
from llama_cli.output.schema import extra_columns
from llama_cli.run.checkpoint import Checkpoint, InputReference, RunIdentity, RunSpec
from llama_cli.run.job import EmbedJob
from llama_cli.run.session import Session
from llama_cli.storage.address import WEB, scheme_of

log = logging.getLogger(__name__)


def last_checkpoint(partial: PartialOutput) -> Checkpoint | None:
    """Where the unfinished run stands that is to be resumed; None where another is to begin."""
    if partial.header is None or not partial.can_resume:
        return None
    return Checkpoint.from_commits(partial.header, partial.commits)


def make_spec(job: EmbedJob, session: Session) -> RunSpec:
    """What the run is, with what only its model and its inputs tell."""
    model, schema = session.model, session.schema
    identity = RunIdentity(
        format_version=FORMAT_VERSION,
        model=session.digest,
        pooling=model.pooling,
        normalize=job.embedder.normalize,
        max_length=model.max_length,
        closing_token=job.embedder.closing_token,
        prompt=model.prompt,
        dimension=model.dimension,
        layer_norm=model.layer_norm,
        arithmetic=model.arithmetic,
        dtype=job.dtype,
        vector_type=job.vector_type,
        columns=tuple(schema.names),
        column_types=tuple(str(column.type) for column in extra_columns(schema)),
        formats=tuple(session.inputs.formats_and_columns),
        limit=job.reading.limit,
    )
    files = session.inputs.files
    return RunSpec(
        identity=identity if job.resumable else None,
        inputs=tuple(InputReference(file.name, file.address, file.version) for file in files),
        report=str(job.report.absolute()) if job.report else None,
        command=tuple(job.command),
        folder=str(Path.cwd()),
    )


def choose_inputs(job: EmbedJob, checkpoint: Checkpoint | None) -> Sequence[Input]:
    """The inputs of the run: of one that resumes, those that it began with.

    Raises:
        OutputRefusedError: it began with others.
        InputError: one of them has another version on its server.
    """
    if checkpoint is None:
        return job.inputs
    before = checkpoint.spec.inputs
    if len(before) == len(job.inputs) == 1:  # it may have been renamed: what it holds is compared
        ((then,), (file,)) = before, job.inputs
        _refuse_other_version(file, then)
        # Versions are compared instead, and other files of a web server may have the same.
        if then.address != file.address and file.version and scheme_of(then.address) in WEB:
            raise _other_inputs(job, then.address)
        return [file.named(then.name) if job.with_source else file]
    now = collections.defaultdict(list)
    for file in job.inputs:
        now[file.address].append(file)
    times = collections.Counter(then.address for then in before)
    for then in before:
        if len(now[then.address]) < times[then.address]:
            raise _other_inputs(job, then.address)
    if len(job.inputs) > len(before):
        log.info(
            "resuming the inputs that the run began with (%d); %d more are there now",
            len(before),
            len(job.inputs) - len(before),
        )
    # URLs that differ only in what is not stored are told apart by their order.
    chosen = [now[then.address].pop(0).named(then.name) for then in before]
    for file, then in zip(chosen, before, strict=True):
        _refuse_other_version(file, then)
    return chosen


def _other_inputs(job: EmbedJob, missing: str) -> OutputRefusedError:
    return another_run(job.output, f"with other inputs, {missing} among them")


def _refuse_other_version(file: Input, then: InputReference) -> None:
    if then.version and file.version and file.version != then.version:
        raise InputError(
            f"{file.name}: is not what the unfinished run has read: its version was "
            f"{then.version} and is {file.version} now",
            hint="restore it, or discard that run with `restart`",
        )


def find_finished(
    spec: RunSpec, partial: PartialOutput, inputs: InputSequence
) -> Provenance | None:
    """What an earlier process has finished of this very run, but for its journal.

    None where the output is of another run: that had other inputs, or would have made other rows.
    """
    provenance, header = partial.finished_before, partial.header
    if provenance is None or header is None or spec.identity is None:
        return None
    if RunSpec.from_json(header.spec).identity != spec.identity:
        return None
    read = [Fingerprint(file.bytes, file.xxh3_128, file.version) for file in provenance.all_inputs]
    return provenance if inputs.match(read) else None


def resume_inputs(
    job: EmbedJob, spec: RunSpec, checkpoint: Checkpoint, inputs: InputSequence
) -> None:
    """Bring the inputs to where an unfinished run stands.

    Raises:
        OutputRefusedError: that run would have made other rows.
        InputError: an input is not what it has read.
    """
    before, now = checkpoint.spec.identity, spec.identity
    if before is None or now is None:
        raise another_run(job.output, "which this one cannot resume")
    if difference := before.difference(now):
        raise another_run(job.output, f"with another {difference}")
    rows, position = checkpoint.counts.rows, checkpoint.inputs.position
    inputs.resume_after(checkpoint.inputs, rows)
    place = inputs.locate(position.input_index, position.line)
    if len(inputs.files) == 1:
        place += f" of {inputs.files[0].name}"
    log.info("resuming at row %d, after %s", rows + 1, place)
