"""Ctrl-C, SIGTERM and SIGHUP keep what is ready, and say how to resume."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

from tests.run.checks import assert_same_content
from tests.run.programs import COMMAND, HELD, HELD_MODULE, HUNG, LATE
from tests.run.runs import (
    Job,
    children,
    outcome_of,
    resume_command,
    resuming,
    run_in_shell,
    side_by_side,
    signalled,
    wait_until,
)


def test_the_printed_command_resumes(plain: Job, expected: Path) -> None:
    def check(number: int) -> None:
        job = plain.copy(str(number))
        outcome = signalled(job.start_held(), number)
        kept = job.commits()[-1]["rows"]
        assert f"error: interrupted; {kept:,} rows kept; " in outcome.err
        command = resume_command(outcome)
        assert re.match(r"(\S*/)?llama-cli embed in\.txt ", command)
        again = run_in_shell(command, job.folder)
        assert again.code == 0
        assert resuming(again) == (kept + 1, kept + 1)  # the first line is blank
        assert job.left() == ["in.txt", "out.parquet"]
        assert_same_content(job.output, expected)

    side_by_side(check, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def test_names_with_spaces_and_quotes_survive_the_shell(plain: Job, tmp_path: Path) -> None:
    model = shutil.copy(plain.model or "", tmp_path / "a $model's name.gguf")
    awkward = Job(plain.folder, model, ("--restart",), name='it\'s "a" file; $(true).txt')
    plain.source.rename(awkward.source)
    command = resume_command(signalled(awkward.start_held(), signal.SIGINT))
    assert "--restart" not in command
    assert run_in_shell(command, plain.folder).code == 0
    assert awkward.left() == sorted([awkward.name, "out.parquet"])


def test_a_command_that_is_not_on_the_path_is_printed_with_its_folder(plain: Job) -> None:
    process = plain.start_held(env=os.environ | {"PATH": "/usr/bin:/bin"})
    command = resume_command(signalled(process, signal.SIGINT))
    assert command.startswith(f"{COMMAND} embed ")


def test_a_module_is_printed_as_one(plain: Job) -> None:
    process = plain.start_held(program=HELD_MODULE)
    command = resume_command(signalled(process, signal.SIGINT))
    assert re.match(r"\S*python\S* -m llama_cli embed ", command)
    assert run_in_shell(command, plain.folder).code == 0


def test_a_second_signal_leaves_at_once(plain: Job, expected: Path) -> None:
    process = replace(plain, program=HUNG).start("--commit-interval", 0)
    wait_until((plain.folder.parent / "hung").exists, process)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: not children(process.pid), process)
    time.sleep(0.1)  # within half of that it would be the same one again
    sent = time.monotonic()
    outcome = signalled(process, signal.SIGINT)
    assert time.monotonic() - sent < 5
    assert resume_command(outcome)
    assert len(plain.commits()) == 2
    assert resuming(plain.finish())
    assert_same_content(plain.output, expected)


def test_nobody_reads_stderr(plain: Job, expected: Path) -> None:
    process = plain.start_held(program=("sh", "-c", 'exec "$0" "$@" 2>&-', *HELD))
    process.send_signal(signal.SIGTERM)
    assert outcome_of(process).code == 143
    assert resuming(plain.finish())
    assert_same_content(plain.output, expected)


def test_nohup_holds_against_a_hangup(plain: Job) -> None:
    process = plain.start_held(program=("nohup", *HELD))
    process.send_signal(signal.SIGHUP)
    plain.release()
    assert outcome_of(process).code == 0
    assert plain.left() == ["in.txt", "out.parquet"]


def test_it_is_too_late_to_interrupt_a_run_that_is_done(plain: Job) -> None:
    process = replace(plain, program=LATE).start()
    wait_until((plain.folder.parent / "done").exists, process)
    process.send_signal(signal.SIGTERM)
    plain.release()
    outcome = outcome_of(process)
    assert "resume" not in outcome.err
    assert "nothing was written" not in outcome.err
    assert outcome.code == 0


def test_what_follows_a_signal_at_once_is_its_echo(plain: Job, expected: Path) -> None:
    """`timeout` sends it to the process, and to the group that the process is in."""
    held = replace(plain, program=HELD)
    process = held.start("--commit-interval", 600, "--threads", 1)
    wait_until(plain.partial.exists, process)
    time.sleep(1)  # for rows that are not committed yet, and would be lost to a second signal
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # the same would be one, if both were waiting
    outcome = outcome_of(process)
    assert outcome.code in {130, 143}  # the system chooses which is told first
    assert f"error: interrupted; {plain.commits()[-1]['rows']:,} rows kept; " in outcome.err
    assert resuming(plain.finish())
    assert_same_content(plain.output, expected)
