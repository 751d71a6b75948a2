"""Runs with a model of the Hub, as the processes that users start."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llama_cli.models.builtin.file import DEFAULT_MODEL, DEFAULT_SHA256
from llama_cli.output.durable.status import read_unfinished
from llama_cli.output.provenance import read_provenance
from tests.cli.conftest import Command
from tests.storage.hub_server import COMMIT, HubServer

REPO = "owner/all-MiniLM-GGUF"
COMMAND = [sys.executable, "-m", "llama_cli"]
# Pieces of 64 kB, half a second's worth or more in each test.
CONTENT = DEFAULT_MODEL.read_bytes()


@pytest.fixture
def start(hub: HubServer, notes: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command; it is ended where the test has not."""
    started: list[subprocess.Popen[str]] = []

    def call(*words: object, **options: object) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen([*COMMAND, *map(str, words)], **options)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "still not so"
        time.sleep(0.02)


def test_a_run_pins_its_model_in_the_footer(
    hub: HubServer, notes: Path, installed_cli: Command
) -> None:
    hub.add(REPO, {"mini-F16.gguf": CONTENT})
    done = installed_cli("embed", notes, "-m", REPO)
    assert done.code == 0, done.err
    made = read_provenance(notes.with_suffix(".parquet"))
    assert made is not None
    assert made.model.source == f"hf:{REPO}@{COMMIT}/mini-F16.gguf"
    assert made.model.sha256 == DEFAULT_SHA256
    shown = installed_cli("inspect", notes.with_suffix(".parquet")).out
    assert f"\nfrom {made.model.source}\n" in shown

    hub.repos.clear()  # from here on the Hub knows nothing
    hub.requests.clear()
    again = installed_cli("embed", notes, "-m", made.model.source, "--overwrite", "-q")
    assert again.code == 0, again.err
    assert again.err == ""
    assert hub.requests == []


def test_what_cannot_be_downloaded_is_one_line_and_leaves_no_output(
    hub: HubServer, notes: Path, installed_cli: Command
) -> None:
    done = installed_cli("embed", notes, "-m", "owner/absent", "--json")
    assert done.code == 3
    words = "owner/absent: is not on the Hub (HTTP 404), and there is no such local file"
    assert done.err.startswith(f"llama-cli: error: {words}")
    assert done.err.count("\n") == 1
    assert json.loads(done.out)["exit_code"] == 3
    assert list(notes.parent.glob("*.parquet*")) == []


def test_options_are_checked_before_the_download(
    hub: HubServer, notes: Path, installed_cli: Command
) -> None:
    notes.with_suffix(".parquet").touch()
    assert installed_cli("embed", notes, "-m", REPO).code == 2
    assert hub.requests == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", ["embed", "pull"])
def test_a_signal_ends_the_download_and_the_next_run_resumes(
    hub: HubServer,
    cache: Path,
    notes: Path,
    start: Callable[..., subprocess.Popen[str]],
    command: str,
    number: int,
    code: int,
) -> None:
    hub.add(REPO, {"mini-F16.gguf": CONTENT}, pause=0.02)
    words = ("embed", notes, "-m", REPO) if command == "embed" else ("models", "pull", REPO)
    process = start(*words)
    wait_for(lambda: [p for p in cache.rglob("*.incomplete") if p.stat().st_size > 1 << 18])
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    last = err.splitlines()[-1]
    assert re.fullmatch(
        r"llama-cli: error: interrupted; [0-9.]+ [kM]B of the model's 46.2 MB are downloaded, "
        r"and the next run resumes from there",
        last,
    )
    assert "Traceback" not in err
    (partial,) = cache.rglob("*.incomplete")
    kept = partial.stat().st_size
    hub.repos[REPO].pause = 0
    process = start(*words)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert hub.requests[-1].headers["range"] == f"bytes={kept}-"


def test_an_interrupted_run_resumes_without_the_hub(
    hub: HubServer,
    tiny_bert: Path,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    installed_cli: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.add(REPO, {"tiny-F16.gguf": tiny_bert.read_bytes()})
    texts, output = tmp_path / "many.txt", tmp_path / "many.parquet"
    texts.write_text("".join(f"water {number}\n" for number in range(30_000)))
    words = ("embed", texts, "-m", REPO, "--commit-interval", "0", "--batch-size", "64")
    process = start(*words)
    wait_for(lambda: (run := read_unfinished(output)) and run.commits)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    done = installed_cli(*words)
    assert done.code == 0, done.err
    assert "using the copy in the cache" in done.err
    assert "resuming at row" in done.err


def test_progress_is_a_line_now_and_then_in_a_log(
    hub: HubServer, notes: Path, installed_cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPO, {"mini-F16.gguf": CONTENT[: 1 << 21]}, pause=0.2)
    lines = installed_cli("models", "pull", REPO).err.splitlines()
    shown = [line for line in lines if line.startswith("downloaded ")]
    assert shown
    assert re.fullmatch(
        r"downloaded \d+%, 0:\d\d left, 1\.\d MB of 2\.1 MB, \d+\.\d kB/s", shown[0]
    )
    assert not any("\x1b" in line for line in lines)


def test_progress_is_a_bar_on_a_narrow_terminal(hub: HubServer, cache: Path) -> None:
    hub.add(REPO, {"mini-F16.gguf": CONTENT[: 1 << 20]}, pause=0.05)
    control, end = pty.openpty()
    environment = {**os.environ, "COLUMNS": "40", "TERM": "xterm", "CI": ""}
    process = subprocess.Popen(
        [*COMMAND, "models", "pull", REPO], stdout=end, stderr=end, env=environment
    )
    os.close(end)
    seen = b""
    while process.poll() is None or not seen.endswith(b"\n"):
        try:
            seen += os.read(control, 4096)
        except OSError:
            break
    os.close(control)
    process.wait(30)
    text = seen.decode()
    bars = re.findall(r"━+\S* *(?:\x1b\[[0-9;]*m)* *(\d+)%", text)
    assert bars
    for line in re.split(r"[\r\n]", text):
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
        assert "━" not in plain or len(plain) <= 40


def test_quiet_is_quiet(hub: HubServer, notes: Path, installed_cli: Command) -> None:
    hub.add(REPO, {"mini-F16.gguf": CONTENT})
    assert installed_cli("embed", notes, "-m", REPO, "-q").err == ""


def test_offline_mode_and_an_unreachable_hub(
    hub: HubServer, notes: Path, installed_cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPO, {"mini-F16.gguf": CONTENT})
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused = installed_cli("embed", notes, "-m", REPO)
    assert refused.code == 3
    assert "is not in the cache, and HF_HUB_OFFLINE forbids" in refused.err
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert installed_cli("models", "pull", REPO).code == 0
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert installed_cli("embed", notes, "-m", REPO).code == 0
    assert hub.requests == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    done = installed_cli("embed", notes, "-m", REPO, "--overwrite")
    assert done.code == 0
    assert f"{REPO}: cannot reach the Hub: " in done.err
    assert "; using the copy in the cache" in done.err


@pytest.mark.parametrize(
    "words", [["--help"], ["embed", "--help"], ["models", "--help"], ["embed"]]
)
def test_the_hub_is_not_loaded_where_it_is_not_used(notes: Path, words: list[str]) -> None:
    program = (
        "import sys; from llama_cli.cli.app import main; main(sys.argv[1:]); "
        "loaded = {name.partition('.')[0] for name in sys.modules}; "
        "sys.exit(str(loaded & {'huggingface_hub', 'httpx2', 'tqdm'}))"
    )
    words = [*words, str(notes), "-q"] if words == ["embed"] else words
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == "set()"
