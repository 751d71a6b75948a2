"""The end of a run or a dry run in words for people, and as JSON for scripts."""

from __future__ import annotations

from typing import Any

from llama_cli.cli.terminal import printable
from llama_cli.output.provenance import Provenance
from llama_cli.progress.numbers import count, format_bytes, format_seconds
from llama_cli.run.counts import Counts
from llama_cli.run.dry_run import Estimate
from llama_cli.run.provenance import RunSummary

_COUNTS = ("rows", "skipped", "bad_rows", "truncated", "invalid_utf8", "duplicates", "tokens")


def summary_as_text(summary: RunSummary) -> str:
    """A few lines; counts that are zero are left out."""
    made, seconds = summary.provenance, summary.seconds
    lines = [
        f"{count(summary.new_rows, 'row')}, {count(summary.new_tokens, 'token')} in "
        f"{seconds:.1f} s ({summary.new_rows / seconds:,.0f} texts/s, "
        f"{summary.new_tokens / seconds:,.0f} tokens/s)"
    ]
    if summary.before.rows:
        lines.append(f"{count(made.rows, 'row')} with the {summary.before.rows:,} made before")
    if notes := _notes(made, made.max_length):
        lines.append("; ".join(notes))
    lines.append(f"{printable(summary.output)} ({format_bytes(summary.output_bytes)})")
    return "\n".join(lines)


def summary_facts(summary: RunSummary) -> dict[str, Any]:
    """What was counted, and the two rates, as JSON takes it."""
    made = summary.provenance
    return {name: getattr(made, name) for name in _COUNTS} | {
        "without_vector": made.without_vector,
        "resumed_rows": summary.before.rows,
        "resumed_tokens": summary.before.tokens,
        "seconds": round(summary.seconds, 3),
        "output": str(summary.output),
        "output_bytes": summary.output_bytes,
        "dimension": made.dimension,
        "max_length": made.max_length,
        "model": made.model.name,
        "texts_per_second": round(summary.new_rows / summary.seconds, 1),
        "tokens_per_second": round(summary.new_tokens / summary.seconds, 1),
    }


def estimate_as_text(found: Estimate) -> str:
    """A few lines; counts that are zero are left out."""
    counts = found.counts
    inputs = f" in {found.inputs} inputs" if found.inputs > 1 else ""
    lines = [f"{count(counts.rows, 'text')}{inputs}, {count(counts.tokens, 'token')} to compute"]
    if notes := _notes(counts, found.max_length):
        lines.append("; ".join(notes))
    if found.seconds is not None and found.output_bytes is not None:
        lines.append(
            f"about {format_seconds(found.seconds)} and {format_bytes(found.output_bytes)}, "
            f"by {count(found.tried, 'text')} tried"
        )
    return "\n".join(lines)


def estimate_facts(found: Estimate) -> dict[str, Any]:
    """As JSON takes it; keys as in the summary of a run where they mean the same."""
    return {name: getattr(found.counts, name) for name in _COUNTS} | {
        "dry_run": True,
        "inputs": found.inputs,
        "tried": found.tried,
        "estimated_seconds": None if found.seconds is None else round(found.seconds, 3),
        "estimated_output_bytes": found.output_bytes,
        "dimension": found.dimension,
        "max_length": found.max_length,
        "model": found.model,
    }


def _notes(counts: Provenance | Counts, max_length: int) -> list[str]:
    """What is not as one might expect; counts that are zero are left out."""
    notes = {
        f"{count(counts.skipped, 'blank line')} skipped": counts.skipped,
        f"{count(counts.bad_rows, 'bad row')} skipped": counts.bad_rows,
        f"{count(counts.truncated, 'text')} truncated to {max_length} tokens": counts.truncated,
        f"{count(counts.invalid_utf8, 'line')} not in UTF-8 (see --encoding)": counts.invalid_utf8,
        f"{count(counts.duplicates, 'duplicate')} computed once": counts.duplicates,
        f"{count(counts.without_vector, 'row')} without a vector": counts.without_vector,
    }
    return [note for note, number in notes.items() if number]
