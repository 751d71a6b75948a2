"""The command as a process on a GPU, and what it wrote."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

PROGRAM = (sys.executable, "-m", "llama_cli")
PATIENCE = 120.0


@dataclass(frozen=True)
class Run:
    """A run that has ended."""

    code: int
    err: str
    output: Path

    @property
    def vectors(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        assert self.code == 0, self.err
        column = pq.read_table(self.output, columns=["embedding"])["embedding"].combine_chunks()
        assert not column.null_count
        return column.values.to_numpy(zero_copy_only=False).reshape(len(column), -1)

    def column(self, name: str) -> list[Any]:
        assert self.code == 0, self.err
        return list(pq.read_table(self.output, columns=[name])[name].to_pylist())

    def only_error(self) -> str:
        """What a failed run said: one line, and perhaps a hint below."""
        assert self.code in {1, 2, 3}, self.err
        assert "Traceback" not in self.err, self.err
        errors = [line for line in self.err.splitlines() if line.startswith("llama-cli: error: ")]
        assert len(errors) == 1, self.err
        return errors[0]


@dataclass(frozen=True)
class Command:
    """Runs ``llama-cli embed`` in a folder of the test's own."""

    folder: Path
    device: str

    def start(
        self, source: Path, *options: object, device: str | None = None, name: str = "out"
    ) -> subprocess.Popen[str]:
        where = ["--device", device or self.device]
        words = ["embed", source, "-o", self.output(name), "--progress", "none", *where, *options]
        return subprocess.Popen(
            [*PROGRAM, *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, source: Path, *options: object, device: str | None = None, name: str = "out"
    ) -> Run:
        process = self.start(source, *options, device=device, name=name)
        try:
            _, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        return Run(process.returncode, err, self.output(name))

    def output(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def write(self, texts: Sequence[str], name: str = "in.txt") -> Path:
        path = self.folder / name
        path.write_text("\n".join(texts) + "\n", "utf-8")
        return path


def gpus_seen() -> list[str]:
    """The GPUs that the command says it could use."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["embed", __file__, "-o", f"{folder}/out.parquet", "--device", "no-such-gpu"]
        done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    _, found, names = done.stderr.partition("llama.cpp sees: cpu, ")
    return [name.strip() for name in names.splitlines()[0].split(",")] if found else []
