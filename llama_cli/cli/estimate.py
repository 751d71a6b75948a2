"""What a dry run found, in words for people, and as JSON for scripts."""

from __future__ import annotations

import json

from llama_cli.cli.numbers import count, format_bytes
from llama_cli.progress.rates import format_seconds
from llama_cli.run.dry_run import Estimate

_COUNTS = ("rows", "skipped", "bad_rows", "truncated", "invalid_utf8", "duplicates", "tokens")


def estimate_as_text(found: Estimate) -> str:
    """A few lines; counts that are zero are left out."""
    counts = found.counts
    inputs = f" in {found.inputs} inputs" if found.inputs > 1 else ""
    lines = [f"{count(counts.rows, 'text')}{inputs}, {count(counts.tokens, 'token')} to compute"]
    notes = {
        f"{count(counts.skipped, 'blank line')} to skip": counts.skipped,
        f"{count(counts.bad_rows, 'bad row')} to skip": counts.bad_rows,
        f"{count(counts.truncated, 'text')} to cut at {found.max_length} tokens": counts.truncated,
        f"{count(counts.invalid_utf8, 'line')} not in UTF-8": counts.invalid_utf8,
        f"{count(counts.duplicates, 'repeated text')}": counts.duplicates,
    }
    if any(notes.values()):
        lines.append("; ".join(note for note, number in notes.items() if number))
    if found.seconds is not None and found.output_bytes is not None:
        lines.append(
            f"about {format_seconds(found.seconds)} and {format_bytes(found.output_bytes)}, "
            f"by {count(found.tried, 'text')} tried"
        )
    return "\n".join(lines)


def estimate_as_json(found: Estimate) -> str:
    """One JSON object; keys as in the summary of a run where they mean the same."""
    seconds = None if found.seconds is None else round(found.seconds, 3)
    return json.dumps(
        {name: getattr(found.counts, name) for name in _COUNTS}
        | {
            "dry_run": True,
            "inputs": found.inputs,
            "tried": found.tried,
            "estimated_seconds": seconds,
            "estimated_output_bytes": found.output_bytes,
            "dimension": found.dimension,
            "max_length": found.max_length,
            "model": found.model,
        }
    )
