"""The work of the commands of ``llama-cli models``."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

from llama_cli.cli.interrupt import SignalWatch, watched_download, watched_signals
from llama_cli.cli.messages import TextMessages, show_log
from llama_cli.cli.options import spell_options
from llama_cli.cli.terminal import printable
from llama_cli.engine.description import ModelDescription
from llama_cli.engine.known_models import find_known
from llama_cli.engine.worker.engine import describe_model
from llama_cli.errors import ModelError, UsageError
from llama_cli.models.builtin.file import DEFAULT_MODEL
from llama_cli.models.cached import list_cached, remove_cached
from llama_cli.models.file import ModelFile, describe_tests
from llama_cli.models.gguf_header import read_header
from llama_cli.models.hub_cache import translated_errors
from llama_cli.models.names import BUILTIN
from llama_cli.models.resolve import find_on_disk, hub_name, resolve_model
from llama_cli.progress.numbers import count, format_bytes

log = logging.getLogger(__name__)

Facts = dict[str, Any]

_HEADS = ("name", "size", "dimension", "context")
_LABEL = 15


def run_list(*, as_json: bool) -> int:
    """Print the built-in model and all that are in the cache; returns the exit code.

    Raises:
        ModelError: the cache cannot be read.
    """
    rows = [_row(BUILTIN, ModelFile(DEFAULT_MODEL, builtin=True))]
    with translated_errors():
        rows += [_row(cached.name, cached.file()) for cached in list_cached()]
    if as_json:
        print(json.dumps(rows))
        return 0
    print("\n".join(map(printable, table_lines(rows, _room()))))
    return 0


def run_info(model: str, *, as_json: bool) -> int:
    """Print what is known of a model; returns the exit code.

    Raises:
        ModelError: it is not on this disk, or cannot be read.
        UsageError: several files fit.
    """
    file = find_on_disk(model)
    facts = _facts(model, file, describe_model(file.path))
    if as_json:
        print(json.dumps(facts))
    else:
        print("\n".join(map(printable, _info_lines(facts))))
    return 0


def run_pull(model: str, *, quiet: bool) -> int:
    """Download a model if need be, and print its path; returns the exit code.

    Raises:
        ModelError: it cannot be had.
        UsageError: several files fit.
    """
    messages = TextMessages("auto", quiet=quiet)
    show_log(messages, debug=False, quiet=quiet)
    watch = SignalWatch(as_json=False, as_events=False)
    with watched_signals(watch), watched_download(watch, messages) as on_progress:
        file = resolve_model(model, None, on_progress)
    described = describe_model(file.path)
    for warning in described.warnings:
        log.warning("%s %s", described.facts.name, warning)
    if described.refusal:
        hint = f"; {described.hint}" if described.hint else ""
        log.warning("embed refuses this model: %s%s", described.refusal, hint)
    _print_path(file.path)
    return 0


def run_path(model: str) -> int:
    """Print the path of a model on this disk, and nothing else; returns the exit code.

    Raises:
        ModelError: it is not there.
        UsageError: several files fit.
    """
    _print_path(find_on_disk(model).path)
    return 0


def run_remove(model: str) -> int:
    """Remove a model from the Hub's cache; returns the exit code.

    Raises:
        ModelError: it is not there, or cannot be removed.
        UsageError: it is not a model of the Hub, or several files fit.
    """
    name = None if model == BUILTIN else hub_name(model)
    if name is None:
        what = "the built-in model" if model == BUILTIN else "a file of your own"
        raise UsageError(f"{model}: {what} is not removed; only models in the Hub's cache are")
    names, freed = remove_cached(name)
    for removed in names:
        print(printable(f"removed {removed}"))
    print(f"{count(len(names), 'model')}, {format_bytes(freed)} freed")
    return 0


def _room() -> int | None:
    """The width of the terminal; None where the output goes elsewhere, and lines may be long."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _print_path(path: Path) -> None:
    """As it is, whatever bytes are in it: a program may read it."""
    sys.stdout.flush()
    sys.stdout.buffer.write(bytes(path.absolute()) + b"\n")
    sys.stdout.buffer.flush()


def _row(name: str, file: ModelFile) -> Facts:
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


def table_lines(rows: list[Facts], room: int | None) -> list[str]:
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


def _facts(model: str, file: ModelFile, described: ModelDescription) -> Facts:
    """All that is known of a model, under the names that ``--json`` prints."""
    facts, sha256 = described.facts, file.sha256()
    return {
        "model": model,
        "name": facts.name,
        "path": str(file.path.absolute()),
        "parts": len(file.parts),
        "size": sum(part.stat().st_size for part in file.parts),
        "sha256": sha256,
        "source": file.origin,
        "architecture": facts.architecture,
        "quantization": facts.quantization,
        "dimension": facts.dimension,
        "context": facts.context,
        "pooling": facts.pooling,
        "opening": list(described.opening),
        "closing": list(described.closing),
        "warnings": list(described.warnings),
        "refusal": spell_options(described.refusal or "") or None,
        "hint": spell_options(described.hint or "") or None,
        **_known_facts(facts.name, file),
        "tested": describe_tests(sha256, facts.architecture),
    }


def _known_facts(name: str, file: ModelFile) -> Facts:
    """What its documentation says of prompts and of truncated vectors."""
    known = find_known(name, file.path.stem)
    if known is None:
        return {"known": None, "prompts": None, "dims": None, "max_length": None}
    return {
        "known": known.name,
        "prompts": {"document": known.document, "query": known.query},
        "dims": str(known.matryoshka) if known.matryoshka else None,
        "max_length": known.max_length,
    }


def _info_lines(facts: Facts) -> list[str]:
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
        "context": f"{facts['context']} tokens{_truncation(facts)}",
        "pooling": facts["pooling"] or "the file does not say",
        "special tokens": " ".join(frame) if len(frame) > 1 else "",
        "known as": facts["known"],
        **{f"--task {task}": _quoted(prompt) for task, prompt in (facts["prompts"] or {}).items()},
        "--dims": facts["dims"] or "not known to be trained for truncated vectors",
        "tested": facts["tested"],
        "embed": f"refuses it: {refusal}{f'; {hint}' if hint else ''}" if refusal else "takes it",
    }
    shown = [f"{label.ljust(_LABEL)}  {value}" for label, value in lines.items() if value]
    return [*shown, *(f"{'warning'.ljust(_LABEL)}  it {warning}" for warning in facts["warnings"])]


def _truncation(facts: Facts) -> str:
    most = facts["max_length"]
    return f", of which its authors use {most}; so does embed" if most else ""


def _quoted(prompt: str) -> str:
    """A prompt with its last space to be seen, and line ends as letters."""
    return json.dumps(prompt, ensure_ascii=False) if prompt else "no prompt"
