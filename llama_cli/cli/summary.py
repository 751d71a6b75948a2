"""The end of a run in words for people, and as JSON for scripts."""

from __future__ import annotations

import json

from llama_cli.cli.numbers import count, format_bytes
from llama_cli.cli.printable import printable
from llama_cli.output.provenance import Provenance
from llama_cli.run.provenance import RunSummary

_COUNTS = (
    "rows",
    "skipped",
    "bad_rows",
    "truncated",
    "invalid_utf8",
    "duplicates",
    "without_vector",
    "tokens",
)


def as_text(summary: RunSummary) -> str:
    """A few lines; counts that are zero are left out."""
    made, seconds = summary.made, summary.seconds
    lines = [
        f"{count(summary.new_rows, 'row')}, {count(summary.new_tokens, 'token')} in "
        f"{seconds:.1f} s ({summary.new_rows / seconds:,.0f} texts/s, "
        f"{summary.new_tokens / seconds:,.0f} tokens/s)"
    ]
    if summary.before.rows:
        lines.append(f"{count(made.rows, 'row')} with the {summary.before.rows:,} made before")
    if notes := _notes(made):
        lines.append("; ".join(notes))
    lines.append(f"{printable(summary.output)} ({format_bytes(summary.output_bytes)})")
    return "\n".join(lines)


def _notes(made: Provenance) -> list[str]:
    notes = {
        f"skipped {count(made.skipped, 'blank line')}": made.skipped,
        f"skipped {count(made.bad_rows, 'bad row')}": made.bad_rows,
        f"cut {count(made.truncated, 'text')} at {made.max_length} tokens": made.truncated,
        f"repaired {count(made.invalid_utf8, 'line')} not in UTF-8": made.invalid_utf8,
        f"{count(made.duplicates, 'repeated text')} computed once": made.duplicates,
        f"{count(made.without_vector, 'row')} without a vector": made.without_vector,
    }
    return [note for note, number in notes.items() if number]


def as_json(summary: RunSummary) -> str:
    """One JSON object: what was counted, and the two rates."""
    made = summary.made
    return json.dumps(
        {name: getattr(made, name) for name in _COUNTS}
        | {
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
    )
