"""Inputs that change, or turn out to be other than they looked, while they are read."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from llama_cli.errors import InputError
from llama_cli.inputs.resolve import InputFile
from llama_cli.inputs.sequence import InputSequence, Position, ReadOptions
from tests.run.many import ManyJob, counts, make_job
from tests.run.mixed import make_rows, write_parquet
from tests.run.runs import outcome_of


def descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))


def test_many_arrow_files(folder: Path, tiny_bert: Path) -> None:
    """Each stays mapped, with a descriptor, until a row after it is written."""
    job = make_job(folder, tiny_bert, files={"a.txt": b"one"})
    for number in range(600):
        with pa.OSFile(str(job.inputs / f"{number:04}.arrow"), "wb") as sink:
            table = pa.table({"text": [f"water {number}" * (number % 300 == 0)]})
            with pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
    outcome = job.run(preexec_fn=descriptors)
    assert outcome.code == 0, outcome.err


def test_a_table_that_is_replaced_while_it_is_read(tmp_path: Path) -> None:
    """The digest is that of the new file, and so a run would resume in it after old rows."""
    path = tmp_path / "a.parquet"
    write_parquet(path, make_rows(100, seed=1))
    before = path.read_bytes()
    with InputSequence([InputFile(path, "a")], ReadOptions(on_bad_row="skip")) as source:
        source.detect_formats([])
        record = next(iter(source))
        write_parquet(tmp_path / "new", make_rows(100, seed=2))
        (tmp_path / "new").rename(path)
        state = source.state(Position(0, record.line, record.offset))
    assert state.digest == xxhash.xxh3_128_hexdigest(before)


def test_a_table_that_is_another_when_its_turn_comes(tmp_path: Path) -> None:
    """Hours after it was looked at: titles are embedded, and the texts stand beside them."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,title\nwater,time\n")
    with InputSequence([InputFile(path, "a")], ReadOptions(keep=("title",))) as source:
        source.detect_formats([])
        path.write_bytes(b"title,text\ntime,water\n")
        with contextlib.suppress(InputError):
            assert [record.text for record in source] == [b"water"]


def test_a_table_without_the_column_when_its_turn_comes(tmp_path: Path) -> None:
    """A KeyError, which asks people to report it."""
    path = tmp_path / "a.parquet"
    write_parquet(path, make_rows(9, seed=1))
    with InputSequence([InputFile(path, "a")], ReadOptions()) as source:
        source.detect_formats([])
        pq.write_table(pa.table({"title": ["water"]}), path)
        with pytest.raises(InputError, match="a: "):
            list(source)


def test_a_column_that_comes_late(tmp_path: Path) -> None:
    """No object in the first MiB, and what is kept of all others is null, or no column at all."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"none\n" * (1 << 18) + b'{"text": "water", "n": 1}\n')
    options = ReadOptions(keep=("n",), on_bad_row="skip")
    with InputSequence([InputFile(path, "a")], options) as source:
        source.detect_formats([])
        assert source.carried.names == ["n"]


@pytest.mark.parametrize("options", [(), ("--column", "text"), ("--keep", "*")])
def test_a_text_that_is_a_number(folder: Path, tiny_bert: Path, options: tuple[str, ...]) -> None:
    """One bad row in the first MiB, and titles are embedded; or the run is refused."""
    good = [{"text": f"water {number}", "title": "T"} for number in range(3)]
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in good)
    lines += b'{"text": 5, "title": "T"}\n'
    job = make_job(folder, tiny_bert, "--on-bad-row", "skip", *options, files={"a.jsonl": lines})
    job.finish()
    assert pq.read_table(job.output)["text"].to_pylist() == ["water 0", "water 1", "water 2"]
    assert counts(job.output) == [3, 0, 1]


def test_a_text_column_of_numbers_at_first(folder: Path, tiny_bert: Path) -> None:
    """The column is called text, but the other is embedded: the first rows decide."""
    lines = b"id,text\na,1\nb,2\n" + b"".join(b"c,%d\n" % n for n in range(1000)) + b"d,water\n"
    job = make_job(folder, tiny_bert, files={"a.csv": lines})
    job.finish()
    assert pq.read_table(job.output)["text"].to_pylist()[-1] == "water"


def test_inputs_without_a_text_take_no_memory(tmp_path: Path) -> None:
    """Of each the last chunk is kept until a text comes, up to a MiB."""
    for number in range(50):
        (tmp_path / f"{number}.jsonl").write_bytes(b'{"text": ""}\n' * 1000)
    files = [InputFile(path, path.name) for path in sorted(tmp_path.iterdir())]
    with InputSequence(files, ReadOptions(on_bad_row="skip")) as source:
        source.detect_formats([])
        assert list(source) == []
        assert len(source._readers) < 10


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
