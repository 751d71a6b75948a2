"""Runs that kill themselves at a moment too short to be hit from outside."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.run.runs import PATIENCE, Job

_START = """
import os, signal, sys
from llama_cli.cli.app import main
from llama_cli.output.durable.journal import JournalFile
from llama_cli.output.durable.partial import PartialOutput

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

add = JournalFile.add
def add_and_die(journal, commit):
    add(journal, commit)
    if len(journal.entries.commits) == 2:
        die()

{patch}
sys.exit(main(sys.argv[1:]))
"""
AFTER_TWO_COMMITS = "JournalFile.add = add_and_die"
# After the first commit whose last row is of the second input, or a later one.
IN_THE_SECOND_INPUT = """
def add_and_look(journal, commit):
    add(journal, commit)
    if commit.checkpoint["position"]["input_index"] >= 1:
        die()

JournalFile.add = add_and_look
"""
# The report is synced and the journal knows nothing of it, for the second time.
BETWEEN_REPORT_AND_JOURNAL = """
from llama_cli.run.report import RunReport
sync, calls = RunReport.sync, []

def sync_and_die(report):
    size = sync(report)
    calls.append(size)
    if len(calls) == 2:
        die()
    return size

RunReport.sync = sync_and_die
"""
BEFORE_THE_FOOTER = "PartialOutput.finish = die"
BEFORE_THE_RENAME = """
from pathlib import Path
replace = Path.replace
Path.replace = lambda old, new: die() if old.suffix == ".partial" else replace(old, new)
"""
BEFORE_THE_CLEAN_UP = "JournalFile.remove = die"
WHILE_DISCARDING = "JournalFile.begin = die"


def die(job: Job, moment: str, *more: object) -> None:
    """Run a job that commits at every batch, until the moment."""
    words = job.words("--commit-interval", "0", *more)
    done = subprocess.run(
        [sys.executable, "-c", _START.format(patch=moment), *words],
        cwd=job.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
