"""More of what is not right yet: what others do to inputs while they are read."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa

from tests.durability.many import ManyJob
from tests.durability.runs import outcome_of


def test_two_pipes_that_are_written_one_after_the_other(folder: Path, tiny_bert: Path) -> None:
    """Looking at the second waits for its writer, who waits for the first one to be read."""
    names = (folder / "one", folder / "two")
    for name in names:
        os.mkfifo(name)

    def write() -> None:
        for name in names:
            with contextlib.suppress(BrokenPipeError), name.open("wb") as pipe:
                pipe.write(b"water and time\n" * 100_000)

    threading.Thread(target=write, daemon=True).start()
    process = ManyJob(folder, tiny_bert, names=("one", "two")).start("--limit", 9)
    try:
        process.wait(5)
    finally:
        process.kill()
    assert outcome_of(process).code == 0


def test_an_arrow_file_that_is_cut_while_it_is_read(tmp_path: Path) -> None:
    """It is mapped, so that the command dies of SIGBUS, without a word."""
    table = pa.table({"text": [f"{number} " + "water " * 100 for number in range(20_000)]})
    sink = pa.OSFile(str(tmp_path / "a.arrow"), "wb")
    with sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    program = """
import os
from pathlib import Path
from llama_cli.errors import LlamaCliError
from llama_cli.sources.inputs import InputFile
from llama_cli.sources.options import ReadOptions
from llama_cli.sources.sequence import InputSequence

with InputSequence([InputFile(Path("a.arrow"), "a")], ReadOptions()) as source:
    source.look([])
    texts = iter(source)
    next(texts)
    os.truncate("a.arrow", 1000)
    try:
        list(texts)
    except LlamaCliError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert done.returncode == 0
