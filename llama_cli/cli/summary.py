"""The end of a run in words for people, and as JSON for scripts."""

from __future__ import annotations

import dataclasses
import json

from llama_cli.cli.numbers import count, format_bytes
from llama_cli.cli.printable import printable
from llama_cli.outcome import RunSummary


def as_text(summary: RunSummary) -> str:
    """A few lines; counts that are zero are left out."""
    rows, tokens = _new(summary)
    lines = [
        f"{count(rows, 'row')}, {count(tokens, 'token')} in "
        f"{summary.seconds:.1f} s ({rows / summary.seconds:,.0f} texts/s, "
        f"{tokens / summary.seconds:,.0f} tokens/s)"
    ]
    if summary.resumed_rows:
        lines.append(f"{count(summary.rows, 'row')} with the {summary.resumed_rows:,} made before")
    if notes := _notes(summary):
        lines.append("; ".join(notes))
    lines.append(f"{printable(summary.output)} ({format_bytes(summary.output_bytes)})")
    return "\n".join(lines)


def _new(summary: RunSummary) -> tuple[int, int]:
    """Rows and tokens of this run alone."""
    return summary.rows - summary.resumed_rows, summary.tokens - summary.resumed_tokens


def _notes(summary: RunSummary) -> list[str]:
    notes = {
        f"skipped {count(summary.skipped, 'blank line')}": summary.skipped,
        f"cut {count(summary.cut, 'text')} at {summary.max_length} tokens": summary.cut,
        f"repaired {count(summary.repaired, 'line')} not in UTF-8": summary.repaired,
        f"{count(summary.repeated, 'repeated text')} computed once": summary.repeated,
        f"{count(summary.without_vector, 'row')} without a vector": summary.without_vector,
    }
    return [note for note, number in notes.items() if number]


def as_json(summary: RunSummary) -> str:
    """One JSON object with the summary's fields and the two rates."""
    rows, tokens = _new(summary)
    fields = dataclasses.asdict(summary) | {
        "output": str(summary.output),
        "seconds": round(summary.seconds, 3),
        "texts_per_second": round(rows / summary.seconds, 1),
        "tokens_per_second": round(tokens / summary.seconds, 1),
    }
    return json.dumps(fields)
