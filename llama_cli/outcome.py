"""What a run has made: for the file's footer, and for whoever started it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from llama_cli import __version__
from llama_cli.isolation.engine import IsolatedEngine
from llama_cli.job import EmbedJob
from llama_cli.output.journal import RunHeader
from llama_cli.output.metadata import InputProvenance, ModelProvenance, Provenance
from llama_cli.sources.lines import LineSource
from llama_cli.tally import Tally


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a finished run did.

    Attributes:
        rows: rows of the file.
        resumed_rows: those of them that earlier, interrupted runs had made.
        skipped: blank lines left out.
        cut: texts shortened to the maximum length.
        repaired: lines with bytes that were not UTF-8.
        repeated: texts that got the vector of an equal text before them.
        without_vector: rows for which the model gave no finite vector.
        tokens: tokens fed to the model, in all.
        resumed_tokens: those of them in the resumed rows.
        seconds: wall time of this run, loading the model included.
        output: the file written.
        output_bytes: its size.
        dimension: width of the vectors.
        max_length: tokens at which texts were cut.
        model: the model's name.
    """

    rows: int
    resumed_rows: int
    skipped: int
    cut: int
    repaired: int
    repeated: int
    without_vector: int
    tokens: int
    resumed_tokens: int
    seconds: float
    output: Path
    output_bytes: int
    dimension: int
    max_length: int
    model: str


def make_provenance(  # noqa: PLR0917 - everything that a run is
    job: EmbedJob,
    engine: IsolatedEngine,
    source: LineSource,
    header: RunHeader,
    tally: Tally,
    sha256: str,
) -> Provenance:
    """The origin of a file whose last row is written."""
    facts = engine.facts
    return Provenance(
        tool_version=__version__,
        llama_cpp_version=engine.llama_cpp_version,
        model=ModelProvenance(
            name=facts.name,
            sha256=sha256,
            architecture=facts.architecture,
            quantisation=facts.quantisation,
            dimension=facts.dimension,
        ),
        pooling=engine.pooling,
        normalized=job.embedder.normalize,
        max_length=engine.max_length,
        input=InputProvenance(source.name, source.bytes_read, source.digest),
        rows=tally.rows,
        skipped=source.lines - tally.rows,
        cut=tally.cut,
        repaired=tally.repaired,
        repeated=tally.repeated,
        without_vector=tally.without_vector,
        tokens=tally.tokens,
        started_at=header.started_at,
        finished_at=datetime.now(UTC),
        run_id=header.run_id,
    )


def summarize(made: Provenance, output: Path, seconds: float, before: Tally) -> RunSummary:
    """The end of a run in numbers.

    Args:
        made: the file's origin.
        output: the file.
        seconds: wall time of this run.
        before: counts of the rows that earlier processes made.
    """
    return RunSummary(
        rows=made.rows,
        resumed_rows=before.rows,
        skipped=made.skipped,
        cut=made.cut,
        repaired=made.repaired,
        repeated=made.repeated,
        without_vector=made.without_vector,
        tokens=made.tokens,
        resumed_tokens=before.tokens,
        seconds=seconds,
        output=output,
        output_bytes=output.stat().st_size,
        dimension=made.model.dimension,
        max_length=made.max_length,
        model=made.model.name,
    )
