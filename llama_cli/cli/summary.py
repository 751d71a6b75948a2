"""The end of a run in words for people, and as JSON for scripts."""

from __future__ import annotations

import dataclasses
import json

from llama_cli.cli.printable import printable
from llama_cli.pipeline import RunSummary


def as_text(summary: RunSummary) -> str:
    """A few lines; counts that are zero are left out."""
    lines = [
        f"{count(summary.rows, 'row')}, {count(summary.tokens, 'token')} in "
        f"{summary.seconds:.1f} s ({summary.rows / summary.seconds:,.0f} texts/s, "
        f"{summary.tokens / summary.seconds:,.0f} tokens/s)"
    ]
    if notes := _notes(summary):
        lines.append("; ".join(notes))
    lines.append(f"{printable(summary.output)} ({format_bytes(summary.output_bytes)})")
    return "\n".join(lines)


def _notes(summary: RunSummary) -> list[str]:
    notes = {
        f"skipped {count(summary.skipped, 'blank line')}": summary.skipped,
        f"cut {count(summary.cut, 'text')} at {summary.max_length} tokens": summary.cut,
        f"repaired {count(summary.repaired, 'line')} not in UTF-8": summary.repaired,
        f"{count(summary.repeated, 'repeated text')} computed once": summary.repeated,
        f"{count(summary.without_vector, 'row')} without a vector": summary.without_vector,
    }
    return [note for note, number in notes.items() if number]


def count(number: int, noun: str) -> str:
    """A number with its noun, in the plural where that belongs."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_bytes(size: int) -> str:
    """A size with a decimal unit, as file managers and `ls --si` show it."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:  # noqa: PLR2004 - the step between decimal units
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def as_json(summary: RunSummary) -> str:
    """One JSON object with the summary's fields and the two rates."""
    fields = dataclasses.asdict(summary) | {
        "output": str(summary.output),
        "seconds": round(summary.seconds, 3),
        "texts_per_second": round(summary.rows / summary.seconds, 1),
        "tokens_per_second": round(summary.tokens / summary.seconds, 1),
    }
    return json.dumps(fields)
