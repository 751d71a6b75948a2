"""The work of ``llama-cli status``."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llama_cli.cli.terminal import printable
from llama_cli.errors import InputError, ParquetError
from llama_cli.output.durable.status import UnfinishedRun, read_unfinished
from llama_cli.output.durable.target import Output
from llama_cli.output.provenance import read_provenance
from llama_cli.progress.numbers import count, format_bytes
from llama_cli.run.checkpoint import Checkpoint, RunSpec
from llama_cli.storage.address import is_remote

_UNITS = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}


def run_status(name: str, *, as_json: bool) -> int:
    """Print what is known of the run that writes, or wrote, an output; returns the exit code.

    Raises:
        InputError: there is no such run.
    """
    output: Output = name if is_remote(name) else Path(name)
    run = read_unfinished(output)
    facts = _facts(run) if run else _finished_facts(output)
    if facts is None:
        raise InputError(f"{output}: no run has written this, finished or not")
    if as_json:
        print(json.dumps({"output": str(output)} | facts))
    else:
        print("\n".join(map(printable, _describe(output, facts))))
    return 0


def _finished_facts(output: Output) -> dict[str, Any] | None:
    try:
        made = read_provenance(output)
    except ParquetError:
        return None
    if made is None:
        return None
    return {"state": "finished", "rows": made.rows, "at": made.finished_at.isoformat()}


def _facts(run: UnfinishedRun) -> dict[str, Any]:
    """What the journal says, under the names that ``--json`` prints."""
    spec = RunSpec.from_json(run.header.spec)
    checkpoint = Checkpoint.from_commits(run.header, run.commits)
    last = run.commits[-1] if run.commits else None
    return {
        "state": "running" if run.process else "unfinished",
        "process": run.process.pid if run.process else None,
        "rows": last.rows if last else 0,
        "bytes": last.end if last else 0,
        "at": last.at.isoformat() if last else None,
        "input": spec.input,
        "share": _share(checkpoint) if checkpoint else None,
        "resumable": run.header.resumable,
        "folder": spec.folder,
        "command": spec.command,
    }


def _share(checkpoint: Checkpoint) -> float | None:
    """How much of the inputs is done; None where they are not all there."""
    try:
        size = sum(Path(file.address).stat().st_size for file in checkpoint.spec.inputs)
    except OSError:
        return None
    return round(min(1.0, checkpoint.counts.bytes_read / size), 4) if size else 1.0


def _describe(output: Output, facts: dict[str, Any]) -> list[str]:
    rows = count(facts["rows"], "row")
    if facts["state"] == "finished":
        return [f"{output}: finished, {rows}, {_when(facts['at'])}"]
    state = f"running (process {facts['process']})" if facts["process"] else facts["state"]
    share = "" if facts["share"] is None else f", {100 * facts['share']:.0f}% of {facts['input']}"
    lines = [f"{output}: {state}, {rows} committed ({format_bytes(facts['bytes'])}){share}"]
    if facts["at"]:
        lines.append(f"last commit {_when(facts['at'])}")
    if not facts["resumable"]:
        lines.append("its input cannot be resumed")
    elif facts["state"] == "unfinished" and facts["command"]:
        folder = facts["folder"]
        start = "" if Path(folder) == Path.cwd() else f"cd {shlex.quote(folder)} && "
        lines.append(f"resume with: {start}{shlex.join(facts['command'])}")
    return lines


def _when(at: str) -> str:
    """A time, and how long ago it was."""
    then = datetime.fromisoformat(at)
    seconds = max(0, round((datetime.now(UTC) - then).total_seconds()))
    noun, size = next(unit for unit in _UNITS.items() if unit[1] <= max(seconds, 1))
    return f"{then:%Y-%m-%d %H:%M:%S} UTC, {count(seconds // size, noun)} ago"
