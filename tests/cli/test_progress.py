"""The bar on a real terminal, and a log without control characters."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest


def run_on_a_terminal(columns: int, source: Path, model: Path) -> str:
    """All that the command sends to a terminal of that width."""
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "llama_cli", "embed", source, "-m", model, "--threads", "1"],
        stderr=terminal,
        stdout=terminal,
        env={name: value for name, value in os.environ.items() if name != "CI"}
        | {"COLUMNS": str(columns), "TERM": "xterm-256color"},
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            seen += os.read(control, 65536)
        except OSError:  # the terminal's last user has gone
            break
    assert process.wait() == 0
    os.close(control)
    return seen.decode()


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_a_bar_on_a_terminal(tmp_path: Path, tiny_bert: Path, columns: int) -> None:
    source = tmp_path / "in.txt"
    source.write_text("".join(f"water and time {i}\n" for i in range(30_000)), "utf-8")
    seen = run_on_a_terminal(columns, source, tiny_bert)
    frames = re.split(r"\r|\x1b\[2K", seen)
    bars = [frame for frame in frames if "━" in frame]
    assert any("rows" in bar for bar in bars)
    assert any(re.search(r"[1-9]\d?%", bar) for bar in bars)
    plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", bar) for bar in bars]
    assert max(map(len, plain)) <= columns - 3, "there must be room for ^C"
    if columns == 160:
        assert any("texts/s" in bar and "left" in bar and "tokens/s" in bar for bar in bars)
    assert "30,000 rows" in frames[-1].splitlines()[0] or "30,000 rows" in seen.splitlines()[-2]
    assert "\x1b[?25h" in seen, "the cursor must come back"


def test_no_control_characters_in_a_log(tmp_path: Path, tiny_bert: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("water and time\n" * 100, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "llama_cli", "embed", source, "-m", tiny_bert],
        capture_output=True,
        check=True,
        env=os.environ | {"CI": "true", "TERM": "xterm-256color", "FORCE_COLOR": "1"},
    )
    assert done.stdout == b""
    assert all(byte >= 32 or byte == 10 for byte in done.stderr)
