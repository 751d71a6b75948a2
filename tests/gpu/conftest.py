"""Tests of a GPU build, on a machine with a GPU.

They are collected only where this folder is named, as ``make test-gpu`` does. Named on a machine
where llama.cpp sees no GPU they fail, in one line: a check that did not run must not look like one
that passed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gpu.runs import Command, gpus_seen

HERE = Path(__file__).parent
ENGLISH = HERE.parent / "reference" / "english.txt"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gpu-device", default="gpu", metavar="NAME", help="what to run on")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if _is_named(config) else True


def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if hasattr(config, "workerinput"):  # of pytest-xdist, whose first process has looked already
        return
    if _is_named(config) and config.getoption("--gpu-device") != "cpu" and not gpus_seen():
        raise pytest.UsageError("this build of llama.cpp sees no GPU here; see docs/gpu.md")


def _is_named(config: pytest.Config) -> bool:
    base = config.invocation_params.dir
    paths = [(base / argument.partition("::")[0]).resolve() for argument in config.args]
    return any(path.is_relative_to(HERE) for path in paths)


@pytest.fixture
def command(tmp_path: Path, pytestconfig: pytest.Config) -> Command:
    """The command, on the GPU unless it is told otherwise."""
    return Command(tmp_path, pytestconfig.getoption("--gpu-device"))


@pytest.fixture(scope="session")
def many_lines(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """40,000 different short lines; fewer on a CPU."""
    count = 2000 if pytestconfig.getoption("--gpu-device") == "cpu" else 40_000
    path = tmp_path_factory.mktemp("gpu") / "many.txt"
    lines = ENGLISH.read_bytes().removesuffix(b"\n").split(b"\n")
    numbered = (b"%d %s" % (number, lines[number % len(lines)]) for number in range(count))
    path.write_bytes(b"\n".join(numbered) + b"\n")
    return path
