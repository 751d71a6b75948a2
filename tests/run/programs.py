"""The installed command, and variants of it that are not left to chance."""

from __future__ import annotations

import sys
from pathlib import Path

COMMAND = Path(sys.executable).parent / "llama-cli"

# It tells of its rows at every decode.
_LOUD = """
import sys
from llama_cli.cli.app import main
from llama_cli.progress import lines
lines._INTERVAL_SECONDS = 0
sys.exit(main(sys.argv[1:]))
"""

# Reading stops before line 1000, as on a disk that does not answer, until there is a file ../go.
_HELD = """
import os, runpy, sys, threading
from llama_cli.engine.worker.feeder import Feeder
from llama_cli.inputs.sequence import InputSequence

texts, close, closed = InputSequence.__iter__, Feeder.close, threading.Event()

def held_texts(source):
    for record in texts(source):
        while record.line == 1000 and not os.path.exists("../go") and not closed.wait(0.005):
            pass
        yield record

def close_at_once(feeder):
    closed.set()
    close(feeder)

InputSequence.__iter__, Feeder.close = held_texts, close_at_once
"""
# After two commits the disk does not answer any more; it makes a file ../hung then.
_HUNG = """
import os, sys, threading
from llama_cli.cli.app import main
from llama_cli.output.durable.journal import JournalFile

add, fsync, commits = JournalFile.add, os.fsync, []

def add_and_count(journal, commit):
    add(journal, commit)
    commits.append(commit)

def hung_fsync(file):
    if len(commits) == 2:
        open("../hung", "w").close()
        threading.Event().wait()
    fsync(file)

JournalFile.add, os.fsync = add_and_count, hung_fsync
sys.exit(main(sys.argv[1:]))
"""
# When it is done it makes a file ../done, and says nothing until there is a file ../go.
_LATE = """
import os, sys, time
from llama_cli.cli import messages
from llama_cli.cli.app import main

as_text = messages.summary_as_text
def late(summary):
    open("../done", "w").close()
    while not os.path.exists("../go"):
        time.sleep(0.005)
    return as_text(summary)

messages.summary_as_text = late
sys.exit(main(sys.argv[1:]))
"""
_AS_COMMAND = f"""
sys.argv[0] = {str(COMMAND)!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_AS_MODULE = """
runpy.run_module("llama_cli", run_name="__main__", alter_sys=True)
"""

LOUD = (sys.executable, "-c", _LOUD)
LATE = (sys.executable, "-c", _LATE)
HELD = (sys.executable, "-c", _HELD + _AS_COMMAND)
HUNG = (sys.executable, "-c", _HUNG)
HELD_MODULE = (sys.executable, "-c", _HELD + _AS_MODULE)
