"""This tool against the other ways to embed the same lines with the same model, turn about.

    python -m tests.benchmarks.bench_embed [--rounds N] [--corpora short,long,full] [--out FOLDER]

Every contestant runs in a process of its own and loads its model once; then each embeds each file
once a round, so that what else the machine does strikes all alike. Batch sizes are tried before, on
a part of the file, and the best is kept. Writes a table and a plot to docs/benchmarks.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks import peers
from tests.benchmarks.corpora import count_tokens, write_corpora
from tests.benchmarks.report import Result, Trial, write_report

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "bench"
TRIED_SHARE = 6  # settings are tried on a sixth of the lines


@dataclass
class Contestant:
    """One way to embed.

    Attributes:
        name: what the report calls it.
        run: the function in contestants.py.
        settings: batch sizes to try, or a switch.
        kernels: value of LLAMA_CLI_KERNELS.
        prepare: gets what it needs.
    """

    name: str
    run: str
    settings: tuple[int, ...] = (0,)
    kernels: str = "auto"
    prepare: Callable[[Path], None] | None = None
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        if self.prepare:
            self.prepare(WORK)
        command = [sys.executable, "-m", "tests.benchmarks.worker", self.run, str(WORK)]
        environment = {**os.environ, "LLAMA_CLI_KERNELS": self.kernels}
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(WORK / f"{self.run}-{self.kernels}.log").open("w"),
        )
        self._answer()

    def embed(self, path: Path, setting: int) -> Trial:
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"file": str(path), "setting": setting}) + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        return Trial(float(answer["seconds"]), int(answer["peak"]))

    def stop(self) -> None:
        if self.process and self.process.stdin:
            self.process.stdin.close()
            self.process.wait()

    def _answer(self) -> dict[str, float]:
        assert self.process
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"it ended with code {self.process.wait()}; see {WORK}")
        return json.loads(line)


OURS = Contestant("llama-cli embed", "whole_command", (1,))
ENGINE = Contestant("its engine alone", "engine_alone")
CONTESTANTS = [
    OURS,
    ENGINE,
    Contestant("… without kernels", "whole_command", (1,), "off"),
    Contestant("Llama.embed, loop", "llama_embed_loop"),
    Contestant("Llama.embed, list", "llama_embed_list", (512, 2048)),
    Contestant(
        "llama-embedding",
        "llama_embedding",
        (512, 2048),
        prepare=peers.prepare_llama_embedding,
    ),
    Contestant(
        "sentence-transformers",
        "sentence_transformers",
        (2, 4, 8, 16, 32),
        prepare=peers.prepare_weights,
    ),
    Contestant("ONNX Runtime", "onnx_runtime", (1, 2, 4, 8, 16, 32), prepare=peers.prepare_onnx),
]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure this tool against its peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--corpora", default="short,long,full")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    corpora = write_corpora(WORK)
    chosen = {name: corpora[name] for name in options.corpora.split(",")}
    present, left_out = start_all()
    try:
        results = [run_rounds(present, name, path, options.rounds) for name, path in chosen.items()]
        own = own_figures(options.rounds)
    finally:
        for contestant in present:
            contestant.stop()
    write_report(options.out, results, own, matrix_rate(), left_out)


def start_all() -> tuple[list[Contestant], dict[str, str]]:
    """The contestants that can run, and why the others cannot."""
    present, left_out = [], {}
    for contestant in CONTESTANTS:
        say(f"starting {contestant.name}")
        try:
            contestant.start()
            present.append(contestant)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is named in the report
            left_out[contestant.name] = f"{type(error).__name__}: {error}"
    return present, left_out


def run_rounds(present: list[Contestant], name: str, path: Path, rounds: int) -> Result:
    lines, tokens = count_tokens(path)
    part = first_lines(path, max(20, lines // TRIED_SHARE))
    settings = {}
    for contestant in present:
        settings[contestant.name] = min(
            contestant.settings, key=lambda setting: best_of_two(contestant, part, setting)
        )
        say(f"{name}: {contestant.name} takes {settings[contestant.name]}")
    trials: dict[str, list[Trial]] = {contestant.name: [] for contestant in present}
    for number in range(rounds):
        for contestant in random.sample(present, len(present)):
            trial = contestant.embed(path, settings[contestant.name])
            trials[contestant.name].append(trial)
            say(f"{name} {number + 1}: {contestant.name} {lines / trial.seconds:.1f} texts/s")
    return Result(name, lines, tokens, settings, trials)


def best_of_two(contestant: Contestant, path: Path, setting: int) -> float:
    return min(contestant.embed(path, setting).seconds for _ in range(2))


def first_lines(path: Path, count: int) -> Path:
    part = path.with_suffix(".part.txt")
    part.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:count]))
    return part


def own_figures(rounds: int) -> dict[str, float]:
    """The whole command against its engine, repeated texts, and how soon a run is done."""
    lines = (WORK / "short.txt").read_text("utf-8").splitlines()
    many, repeated, one = WORK / "many.txt", WORK / "repeated.txt", WORK / "one.txt"
    many.write_text("".join(f"{line} {n}\n" for n in range(4) for line in lines), "utf-8")
    four_times = 4 * (lines + [f"{line} too" for line in lines[:500]])
    random.Random(0).shuffle(four_times)
    repeated.write_text("\n".join(four_times) + "\n", "utf-8")
    one.write_text("one line\n")
    shares, dedups, starts = [], [], []
    for _ in range(rounds):
        engine, whole = ENGINE.embed(many, 0).seconds, OURS.embed(many, 0).seconds
        shares.append(engine / whole)
        each, once = OURS.embed(repeated, 0).seconds, OURS.embed(repeated, 1).seconds
        dedups.append(each / once)
        starts.append(seconds_of_command(one))
        say(f"share {shares[-1]:.3f}, repeated {dedups[-1]:.2f}, one line {starts[-1]:.2f} s")
    return {
        "share of its engine's rate": statistics.median(shares),
        "repeated lines, against --no-dedup": statistics.median(dedups),
        "seconds for a file of one line": statistics.median(starts),
    }


def seconds_of_command(path: Path) -> float:
    command = [shutil.which("llama-cli") or str(Path(sys.executable).with_name("llama-cli"))]
    command += ["embed", str(path), "-o", str(path.with_suffix(".parquet")), "--overwrite", "-q"]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def matrix_rate() -> float:
    """The machine's float32 matrix products, in operations a second, by NumPy on two cores."""
    code = (
        "import numpy, time; a = numpy.ones((2048, 2048), numpy.float32); times = []\n"
        "for _ in range(8):\n"
        "    started = time.perf_counter(); a @ a; times.append(time.perf_counter() - started)\n"
        "print(2 * 2048**3 / min(times))"
    )
    # A kernel chosen by hand for another program's sake would be measured instead of the machine.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
