"""An unfinished run is to be resumed with other options, or with another model."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.run.checks import assert_refused, assert_same_content, footer
from tests.run.deaths import AFTER_TWO_COMMITS, die
from tests.run.many import make_job, objects
from tests.run.runs import Job, resuming, side_by_side
from tests.tiny_models import rewrite, write_bert

REFUSED = {
    "--pooling cls": "with another pooling: mean then, cls now",
    "--no-normalize": "with another normalization: on then, off now",
    "--max-length 9": "with another maximum length: 64 then, 9 now",
    "--line-numbers": "with another set of columns: text, ",
    "--with-source": "with another set of columns: text, ",
    "--prompt query:": "with another prompt: none then, query: now",
    "--dims 8": "with another width of the vectors: 32 then, 8 now",
    "--dtype float16": "with another type of the numbers: float32 then, float16 now",
    "--vector-type list": "with another type of the vectors: fixed then, list now",
    "--limit 9000": "with another limit: none then, 9000 now",
}
ALLOWED = [
    "--threads 1 --batch-size 7 -q",
    "--on-long error --commit-interval 0.01 --no-dedup --pooling mean --max-length 64 "
    "--format text --on-bad-row skip",
]


def test_options_that_change_rows_are_refused(unfinished: Job) -> None:
    def check(option: str) -> None:
        assert_refused(unfinished.copy(option), *option.split(), naming=REFUSED[option])

    side_by_side(check, REFUSED)


def test_another_model_is_refused(unfinished: Job, tmp_path: Path) -> None:
    other = write_bert(tmp_path / "other.gguf", seed=2)
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (unfinished.model, other)]
    difference = "another model: {:.12}… then, {:.12}… now".format(*hashes)
    assert_refused(replace(unfinished, model=other), naming=difference)


def test_other_kernels_are_refused(unfinished: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """They round otherwise, so the file would not be what either of them makes."""
    monkeypatch.setenv("LLAMA_CLI_KERNELS", "off")
    now = "our own kernels then, llama.cpp's kernels now"
    assert_refused(unfinished, naming=f"with another arithmetic: {now}")


def test_after_a_refusal_the_first_command_resumes(unfinished: Job, expected: Path) -> None:
    assert_refused(unfinished, "--overwrite", "--max-length", 8, naming="maximum length")
    assert resuming(unfinished.finish())
    assert_same_content(unfinished.output, expected)


def test_restart_discards_what_another_option_has_made(unfinished: Job, expected: Path) -> None:
    outcome = unfinished.finish("--restart", "--pooling", "cls", "--line-numbers")
    assert resuming(outcome) is None
    assert footer(unfinished.output)["pooling"] == "cls"
    table = pq.read_table(unfinished.output)
    assert table["text"] == pq.read_table(expected)["text"]
    assert table["line"].to_pylist() == list(range(2, len(table) + 2))


def test_what_does_not_change_rows_may_change(unfinished: Job, expected: Path) -> None:
    def check(options: str) -> None:
        job = unfinished.copy(options)
        outcome = job.finish(*options.split())
        assert bool(resuming(outcome)) != ("-q" in options)
        assert_same_content(job.output, expected)
        first = pq.read_metadata(job.output).row_group(0).num_rows
        assert first < pq.read_metadata(expected).num_rows  # it has not begun anew

    side_by_side(check, ALLOWED)


def test_the_model_may_be_moved(unfinished: Job, expected: Path, tmp_path: Path) -> None:
    moved = shutil.copy(unfinished.model, tmp_path / "moved.gguf")
    assert resuming(replace(unfinished, model=Path(moved)).finish())
    assert_same_content(unfinished.output, expected)


def test_a_task_resumes_what_its_prompt_has_begun(plain: Job, tmp_path: Path) -> None:
    source = rewrite(plain.model, tmp_path / "x.gguf", changes={"general.name": "e5-small-v2"})
    job = replace(plain, model=source)
    die(job, AFTER_TWO_COMMITS, "--prompt", "passage: ")
    naming = "with another prompt: passage:  then, query:  now"
    assert_refused(job, "--task", "query", naming=naming)
    assert resuming(job.finish("--task", "document"))
    made = footer(job.output)
    assert (made["prompt"], made["task"]) == ("passage: ", "document")


def test_a_task_without_a_prompt_is_none(unfinished: Job, tmp_path: Path) -> None:
    renamed = shutil.copy(unfinished.model, tmp_path / "bge-m3.gguf")
    assert resuming(replace(unfinished, model=Path(renamed)).finish("--task", "document"))


def test_an_input_error_keeps_what_was_committed_before_it(plain: Job) -> None:
    """The last line is too long: mended by hand, or cut after all, the run resumes."""
    with plain.source.open("a") as file:
        file.write("time " * 100 + "\n")
    outcome = plain.run("--on-long", "error", "--commit-interval", 0)
    assert outcome.code == 2
    rows = plain.commits()[-1]["rows"]
    assert f"; the first {rows:,} rows are kept for the next run\n" in outcome.err
    assert resuming(plain.finish())
    assert footer(plain.output)["truncated"] == 1


def test_an_input_error_before_any_commit_keeps_nothing(plain: Job) -> None:
    with plain.source.open("a") as file:
        file.write("time " * 100 + "\n")
    assert plain.run("--on-long", "error").code == 2
    assert plain.left() == ["in.txt"]


def test_another_column_is_kept_under_the_same_name(folder: Path, tiny_bert: Path) -> None:
    """The first rows have authors there and the others titles, and nothing says so."""
    job = make_job(folder, tiny_bert, files={"a.jsonl": objects(900)})
    die(job, AFTER_TWO_COMMITS, "--keep", "author=x")
    assert_refused(job, "--keep", "title=x", naming="with another ")
