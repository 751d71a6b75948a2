"""What the commands of ``llama-cli models`` do once their options are parsed."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from pathlib import Path

from llama_cli.cli.download_view import watched_download
from llama_cli.cli.interrupt import SignalWatch, watched_signals
from llama_cli.cli.messages import TextMessages, show_log
from llama_cli.cli.model_words import describe, describe_rows, facts_of, row_of
from llama_cli.cli.numbers import count, format_bytes
from llama_cli.cli.printable import printable
from llama_cli.engine.worker.description import describe_apart
from llama_cli.errors import UsageError
from llama_cli.models.builtin.file import DEFAULT_MODEL
from llama_cli.models.cached import list_cached, remove_cached
from llama_cli.models.file import ModelFile
from llama_cli.models.hub_cache import translated_errors
from llama_cli.models.names import BUILTIN
from llama_cli.models.resolve import find_on_disk, hub_name, resolve_model

log = logging.getLogger(__name__)


def run_list(*, as_json: bool) -> int:
    """Print the built-in model and all that are in the cache; returns the exit code.

    Raises:
        ModelError: the cache cannot be read.
    """
    rows = [row_of(BUILTIN, ModelFile(DEFAULT_MODEL, builtin=True))]
    with translated_errors():
        rows += [row_of(cached.name, cached.file()) for cached in list_cached()]
    if as_json:
        print(json.dumps(rows))
        return 0
    print("\n".join(map(printable, describe_rows(rows, _room()))))
    return 0


def run_info(model: str, *, as_json: bool) -> int:
    """Print what is known of a model; returns the exit code.

    Raises:
        ModelError: it is not on this disk, or cannot be read.
        UsageError: several files fit.
    """
    file = find_on_disk(model)
    facts = facts_of(model, file, describe_apart(file.path))
    if as_json:
        print(json.dumps(facts))
    else:
        print("\n".join(map(printable, describe(facts))))
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
    with watched_signals(watch), watched_download(watch, messages.start_download()) as on_progress:
        file = resolve_model(model, None, on_progress)
    described = describe_apart(file.path)
    for doubt in described.doubts:
        log.warning("%s %s", described.facts.name, doubt)
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
    for one in names:
        print(printable(f"removed {one}"))
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
