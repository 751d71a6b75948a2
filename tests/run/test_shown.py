"""What a review has found wrong with several inputs, tables, limits and reports."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from llama_cli.errors import InputError
from llama_cli.inputs.resolve import InputFile
from llama_cli.inputs.sequence import InputSequence, Position, ReadOptions
from tests.run.checks import assert_refused, assert_same_content, footer
from tests.run.deaths import (
    AFTER_TWO_COMMITS,
    BEFORE_THE_CLEAN_UP,
    BEFORE_THE_FOOTER,
    BEFORE_THE_RENAME,
    die,
)
from tests.run.many import ManyJob, counts, make_job, numbered
from tests.run.mixed import make_rows, write_parquet
from tests.run.programs import COMMAND
from tests.run.runs import Job, run_in_shell
from tests.run.test_many_from_outside import write_into_pipe


def objects(count: int, blank: bool = False) -> bytes:
    lines = [
        json.dumps({"text": f"water {n}", "author": f"A{n}", "title": f"T{n}"})
        for n in range(count)
    ]
    return ("\n\n" if blank else "\n").join(lines).encode()


def test_another_column_is_kept_under_the_same_name(folder: Path, tiny_bert: Path) -> None:
    """The first rows have authors there and the others titles, and nothing says so."""
    job = make_job(folder, tiny_bert, files={"a.jsonl": objects(900)})
    die(job, AFTER_TWO_COMMITS, "--keep", "author=x")
    assert_refused(job, "--keep", "title=x", naming="with another ")


def test_a_report_over_the_journal(plain: Job) -> None:
    """It empties the journal of an unfinished run; a kill later everything is lost."""
    die(plain, AFTER_TWO_COMMITS)
    before = plain.unfinished()
    assert plain.run("--report", "out.parquet.journal").code == 2
    assert plain.unfinished() == before


@pytest.mark.parametrize("name", ["notes.txt", "model.gguf"])
def test_a_report_over_some_other_file(plain: Job, tiny_bert: Path, name: str) -> None:
    """Also the model, which is empty afterwards. An output needs --overwrite for as much."""
    precious = plain.folder / name
    precious.write_bytes(tiny_bert.read_bytes())
    plain.run("--report", name, "-m", "model.gguf" if name == "model.gguf" else str(tiny_bert))
    assert precious.read_bytes() == tiny_bert.read_bytes()


def test_a_report_resumes_in_another_file(plain: Job) -> None:
    """It is not this run's, and is not touched."""
    plain.source.write_bytes(b"\n".join(b"water %d\n" % n for n in range(900)))
    die(plain, AFTER_TWO_COMMITS, "--report", "../report.jsonl")
    other = plain.folder.parent / "other"
    other.write_bytes(b"something else " * 9999)
    rows = plain.commits()[-1]["rows"]
    outcome = plain.run("--report", "../other")
    assert outcome.code == 2
    assert "../other: exists already, and is no report; replace it with" in outcome.err
    assert other.read_bytes() == b"something else " * 9999
    assert plain.commits()[-1]["rows"] == rows


def test_a_limit_that_was_reached_before_the_kill(folder: Path, tiny_bert: Path) -> None:
    """The footer says: 0 inputs, 0 bytes."""
    files = {"a.txt": numbered("water", 300), "b.txt": b"time"}
    job = make_job(folder, tiny_bert, "--limit", "200", files=files)
    job.finish()
    expected = job.output.rename(folder.parent / "expected.parquet")
    die(job, BEFORE_THE_FOOTER)
    job.finish()
    assert_same_content(job.output, expected)


def test_a_limited_run_that_was_finished_before(folder: Path, tiny_bert: Path) -> None:
    """It is not recognized, as its inputs were not all read, nor the last one to its end."""
    files = {"a.txt": numbered("water", 300), "b.txt": b"time"}
    job = make_job(folder, tiny_bert, "--limit", "200", files=files)
    die(job, BEFORE_THE_CLEAN_UP)
    assert "an earlier run had finished" in job.run().err


def test_what_is_left_out_behind_a_limit_does_not_count(folder: Path, tiny_bert: Path) -> None:
    """With columns kept, rows are read 64 at a time, so it depends on where the run resumed."""
    job = make_job(folder, tiny_bert, "--limit", "200", files={"a.jsonl": objects(900, blank=True)})
    job.finish()
    assert counts(job.output) == [200, 199, 0]
    job.finish("--overwrite", "--keep", "title")
    assert counts(job.output) == [200, 199, 0]


@pytest.mark.parametrize("name", ["a.parquet", "a.txt.gz"])
def test_the_size_of_an_input_read_up_to_a_limit(folder: Path, tiny_bert: Path, name: str) -> None:
    """It is the number of rows, or of unpacked bytes; other inputs have the file's own there."""
    job = make_job(folder, tiny_bert, files={name: gzip.compress(numbered("water", 300))})
    if name == "a.parquet":
        write_parquet(job.inputs / name, make_rows(300, seed=1))
    job.finish("--limit", 100, "--on-bad-row", "skip")
    told = footer(job.output)["input"]
    data = (job.inputs / name).read_bytes()
    assert told["xxh3_128"] == xxhash.xxh3_128_hexdigest(data[: told["bytes"]])


def test_a_killed_writer_is_in_nobodys_way(plain: Job) -> None:
    """KeyError: 'inputs'. The second time it works."""
    program = """
import os, signal, numpy
from llama_cli import EmbeddingResult, ParquetWriter
writer = ParquetWriter("out.parquet", 2)
writer.write_batch([EmbeddingResult("a", "0" * 32, numpy.ones(2, "float32"), 1, 1)])
writer.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=plain.folder, check=False)
    assert done.returncode == -signal.SIGKILL
    plain.finish()


def test_a_killed_run_with_a_pipe_is_in_nobodys_way(folder: Path, tiny_bert: Path) -> None:
    """Nobody could resume it, but other inputs are refused. The second time it works."""
    job = make_job(folder, tiny_bert, files={"a.txt": b"one\n", "b.txt": b"two\n"})
    os.mkfifo(folder / "pipe")
    killed = ManyJob(folder, tiny_bert, names=("in/a.txt", "pipe"))
    write_into_pipe(killed, b"three\n")
    die(killed, BEFORE_THE_RENAME)
    (folder / "pipe").unlink()
    job.finish()


def descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))


def test_many_arrow_files(folder: Path, tiny_bert: Path) -> None:
    """Each stays mapped, with a descriptor, until a row behind it is written."""
    job = make_job(folder, tiny_bert, files={"a.txt": b"one"})
    for number in range(600):
        with pa.OSFile(str(job.inputs / f"{number:04}.arrow"), "wb") as sink:
            table = pa.table({"text": [f"water {number}" * (number % 300 == 0)]})
            with pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
    outcome = job.run(preexec_fn=descriptors)
    assert outcome.code == 0, outcome.err


def test_a_table_that_is_replaced_while_it_is_read(tmp_path: Path) -> None:
    """The digest is that of the new file, and so a run would resume in it behind old rows."""
    path = tmp_path / "a.parquet"
    write_parquet(path, make_rows(100, seed=1))
    before = path.read_bytes()
    with InputSequence([InputFile(path, "a")], ReadOptions(on_bad_row="skip")) as source:
        source.detect_formats([])
        record = next(iter(source))
        write_parquet(tmp_path / "new", make_rows(100, seed=2))
        (tmp_path / "new").rename(path)
        state = source.state(Position(0, record.line, record.offset))
    assert state["xxh3_128"] == xxhash.xxh3_128_hexdigest(before)


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


def test_the_share_of_a_table_that_is_done(folder: Path, tiny_bert: Path) -> None:
    job = make_job(folder, tiny_bert, files={"a.parquet": b""})
    content = [f"water and time {number}" for number in range(600)]
    pq.write_table(pa.table({"text": content}), job.inputs / "a.parquet")
    die(job, AFTER_TWO_COMMITS)
    facts = json.loads(run_in_shell(f"{COMMAND} status out.parquet --json", folder).out)
    assert facts["share"] == pytest.approx(facts["rows"] / 600, abs=0.02)


def test_inputs_without_a_text_take_no_memory(tmp_path: Path) -> None:
    """Of each the last chunk is kept until a text comes, up to a MiB."""
    for number in range(50):
        (tmp_path / f"{number}.jsonl").write_bytes(b'{"text": ""}\n' * 1000)
    files = [InputFile(path, path.name) for path in sorted(tmp_path.iterdir())]
    with InputSequence(files, ReadOptions(on_bad_row="skip")) as source:
        source.detect_formats([])
        assert list(source) == []
        assert len(source._readers) < 10
