"""Killed at any moment, as often as it likes; LLAMA_CLITORTURE=1 kills ten times as often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.run.checks import assert_same_content
from tests.run.corpus import plain_lines
from tests.run.deaths import AFTER_TWO_COMMITS, BEFORE_THE_RENAME, WHILE_DISCARDING, die
from tests.run.programs import LOUD
from tests.run.runs import Job, outcome_of, resuming
from tests.run.torment import Torment
from tests.torture import TORTURE

_KILLS = 100 if TORTURE else 10
# Texts of one decode at most.
_DECODE = 256


def test_runs_killed_at_any_moment_end_as_if_they_had_not_been(
    tmp_path: Path, slow_model: Path
) -> None:
    """Two of them side by side. One loses a decode's rows at most, as it commits each of them."""
    options = ("--commit-interval", "0.1", "--line-numbers", "--no-dedup", "--batch-size", "50")
    first = Torment(Job(new(tmp_path, "first"), slow_model, options), seed=1)
    options = ("--commit-interval", "0")
    second = Torment(Job(new(tmp_path, "second"), slow_model, options, program=LOUD), seed=2)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda torment: torment.kill(_KILLS), [first, second]))
    print(first, second, sep="\n")
    assert second.most_lost <= _DECODE


def test_a_kill_costs_the_rows_since_the_last_commit(tmp_path: Path, slow_model: Path) -> None:
    job = Job(new(tmp_path, "work"), slow_model, ("--commit-interval", "0.2"), program=LOUD)
    torment = Torment(job, seed=3)
    torment.kill(_KILLS // 5)
    print(torment)
    assert torment.most_lost <= torment.most_between_commits + _DECODE


def new(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name / "work"
    folder.mkdir(parents=True)
    return folder


def test_a_run_killed_just_before_it_is_done_has_nothing_left_to_embed(
    plain: Job, expected: Path
) -> None:
    die(plain, BEFORE_THE_RENAME)
    assert plain.left() == ["in.txt", "out.parquet.journal", "out.parquet.partial"]
    assert resuming(plain.finish()) == (1101, 1101)
    assert_same_content(plain.output, expected)


def test_a_run_killed_while_it_discards_another_begins_anew(
    unfinished: Job, expected: Path
) -> None:
    die(unfinished, WHILE_DISCARDING, "--restart")
    outcome = unfinished.finish()
    assert resuming(outcome) is None
    assert "warning" not in outcome.err
    assert_same_content(unfinished.output, expected)


def test_the_built_in_model_resumes_too(folder: Path) -> None:
    job = Job(folder, None)
    job.source.write_text(plain_lines(400), "utf-8")
    job.finish()
    expected = job.output.rename(folder.parent / "expected.parquet")
    die(job, AFTER_TWO_COMMITS)
    assert resuming(job.finish())
    assert_same_content(job.output, expected)


def test_much_text_is_committed_before_its_time(folder: Path, tiny_bert: Path) -> None:
    job = Job(folder, tiny_bert, ("--commit-interval", "86400"))
    line = "water and time " * 70_000
    job.source.write_text("".join(f"{number} {line}\n" for number in range(110)), "utf-8")
    process = job.start()
    job.wait_for_commits(process)
    process.kill()
    outcome_of(process)
    assert 2**26 <= len(line) * job.commits()[0]["rows"] < 1.5 * 2**26
