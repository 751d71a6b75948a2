"""Models in words, for people and as JSON."""

from __future__ import annotations

import json
from typing import Any

from llama_cli.cli.numbers import format_bytes
from llama_cli.engine.description import ModelDescription
from llama_cli.engine.known_models import find_known
from llama_cli.errors import ModelError
from llama_cli.models.file import ModelFile, describe_tests
from llama_cli.models.gguf_header import read_header

Facts = dict[str, Any]

_HEADS = ("name", "size", "dimension", "context")
_LABEL = 15


def row_of(name: str, file: ModelFile) -> Facts:
    """What a list says of a model, under the names that ``--json`` prints."""
    size = sum(part.stat().st_size for part in file.parts)
    row: Facts = {"name": name, "path": str(file.path.absolute()), "size": size}
    try:
        header = read_header(file.path)
    except ModelError as error:
        nothing = {"architecture": None, "dimension": None, "context": None}
        return row | nothing | {"error": str(error)}
    return row | {
        "architecture": header.architecture,
        "dimension": header.dimension,
        "context": header.context,
    }


def describe_rows(rows: list[Facts], room: int | None) -> list[str]:
    """The list as lines: a table, or where that is too wide a name and its numbers below it."""
    cells = [[name.upper() for name in _HEADS], *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADS))]
    if room is None or sum(widths) + 2 * (len(widths) - 1) <= room:
        return [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in cells
        ]
    return [
        line
        for name, size, dimension, context in cells[1:]
        for line in (name, f"  {size}, {dimension} dimensions, {context} tokens")
    ]


def _cells(row: Facts) -> list[str]:
    dimension, context = row["dimension"], row["context"]
    return [
        row["name"],
        format_bytes(row["size"]),
        "?" if dimension is None else str(dimension),
        "?" if context is None else str(context),
    ]


def facts_of(model: str, file: ModelFile, described: ModelDescription) -> Facts:
    """All that is known of a model, under the names that ``--json`` prints."""
    facts, sha256 = described.facts, file.sha256()
    return {
        "model": model,
        "name": facts.name,
        "path": str(file.path.absolute()),
        "parts": len(file.parts),
        "size": sum(part.stat().st_size for part in file.parts),
        "sha256": sha256,
        "source": str(file.origin or ""),
        "architecture": facts.architecture,
        "quantization": facts.quantization,
        "dimension": facts.dimension,
        "context": facts.context,
        "pooling": facts.pooling,
        "opening": list(described.opening),
        "closing": list(described.closing),
        "warnings": list(described.doubts),
        "refusal": described.refusal,
        "hint": described.hint,
        **_known_of(facts.name, file),
        "tested": describe_tests(sha256, facts.architecture),
    }


def _known_of(name: str, file: ModelFile) -> Facts:
    """What its documentation says of prompts and of cut vectors."""
    known = find_known(name, file.path.stem)
    if known is None:
        return {"known": None, "prompts": None, "dims": None}
    return {
        "known": known.name,
        "prompts": {"document": known.document, "query": known.query},
        "dims": str(known.matryoshka) if known.matryoshka else None,
    }


def describe(facts: Facts) -> list[str]:
    """The same as lines, each with a label; what is empty is left out."""
    parts = f" in {facts['parts']} parts" if facts["parts"] > 1 else ""
    frame = [*facts["opening"], "text", *facts["closing"]]
    refusal, hint = facts["refusal"], facts["hint"]
    lines = {
        "name": facts["name"],
        "file": facts["path"],
        "size": f"{format_bytes(facts['size'])}{parts}",
        "source": facts["source"],
        "sha256": facts["sha256"],
        "architecture": facts["architecture"],
        "quantization": facts["quantization"],
        "dimension": facts["dimension"],
        "context": f"{facts['context']} tokens",
        "pooling": facts["pooling"] or "the file does not say",
        "special tokens": " ".join(frame) if len(frame) > 1 else "",
        "known as": facts["known"],
        **{f"--task {task}": _quoted(prompt) for task, prompt in (facts["prompts"] or {}).items()},
        "--dims": facts["dims"] or "not known to be trained for vectors that are cut",
        "tested": facts["tested"],
        "embed": f"refuses it: {refusal}{f'; {hint}' if hint else ''}" if refusal else "takes it",
    }
    shown = [f"{label.ljust(_LABEL)}  {value}" for label, value in lines.items() if value]
    return [*shown, *(f"{'warning'.ljust(_LABEL)}  it {doubt}" for doubt in facts["warnings"])]


def _quoted(prompt: str) -> str:
    """A prompt with its last space to be seen, and line ends as letters."""
    return json.dumps(prompt, ensure_ascii=False) if prompt else "no prompt"
