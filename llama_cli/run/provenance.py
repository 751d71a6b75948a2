"""Where a finished file comes from: for its footer, and for whoever started the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import xxhash

from llama_cli import __version__
from llama_cli.output.durable.journal import RunHeader
from llama_cli.output.durable.target import Output
from llama_cli.output.provenance import InputProvenance, ModelProvenance, Provenance
from llama_cli.run.counts import Counts
from llama_cli.run.job import EmbedJob
from llama_cli.run.session import Session


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a finished run did.

    Attributes:
        provenance: the file's origin, counts included.
        before: counts of the rows that earlier, interrupted processes had written.
        seconds: wall time of this run, loading the model included.
        output: the file written.
        output_bytes: its size.
    """

    provenance: Provenance
    before: Counts
    seconds: float
    output: Output
    output_bytes: int

    @property
    def new_rows(self) -> int:
        """Rows that this process wrote."""
        return self.provenance.rows - self.before.rows

    @property
    def new_tokens(self) -> int:
        """Tokens that this process fed to the model."""
        return self.provenance.tokens - self.before.tokens


def make_provenance(
    job: EmbedJob, session: Session, header: RunHeader, counts: Counts
) -> Provenance:
    """The origin of a file whose last row is written."""
    model, facts = session.model, session.model.facts
    read = zip(session.inputs.files, session.inputs.fingerprints(), strict=False)
    inputs = [InputProvenance(file.name, *fingerprint) for file, fingerprint in read]
    return Provenance(
        tool_version=__version__,
        llama_cpp_version=model.llama_cpp_version,
        model=ModelProvenance(
            name=facts.name,
            sha256=session.digest,
            architecture=facts.architecture,
            quantization=facts.quantization,
            dimension=facts.dimension,
            source=job.model.origin,
        ),
        pooling=model.pooling,
        normalized=job.embedder.normalize,
        max_length=model.max_length,
        input=inputs[0] if len(inputs) == 1 else _summarize(inputs),
        rows=counts.rows,
        skipped=counts.skipped,
        truncated=counts.truncated,
        invalid_utf8=counts.invalid_utf8,
        duplicates=counts.duplicates,
        without_vector=counts.without_vector,
        tokens=counts.tokens,
        started_at=header.started_at,
        finished_at=datetime.now(UTC),
        run_id=header.run_id,
        inputs=tuple(inputs) if len(inputs) > 1 else (),
        bad_rows=counts.bad_rows,
        limit=job.reading.limit,
        dims=job.embedder.dims,
        prompt=model.prompt,
        task=job.embedder.task or "",
        layer_norm=model.layer_norm,
    )


def _summarize(inputs: Sequence[InputProvenance]) -> InputProvenance:
    digests = "".join(file.xxh3_128 or file.version for file in inputs)
    return InputProvenance(
        f"{len(inputs)} inputs",
        sum(file.bytes for file in inputs),
        xxhash.xxh3_128_hexdigest(digests.encode()),
    )
