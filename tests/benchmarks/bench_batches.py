"""How the engine's rate depends on the tokens of a batch, and on contexts and threads.

    python -m tests.benchmarks.bench_batches [--rounds N]

It is what the constants in llama_cli/engine/tuning.py were fitted to. Each row of the table is a
process of its own, and all take turns; the figures are medians in thousand tokens a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

from llama_cli.engine.devices import Placement
from llama_cli.engine.embedder import LlamaEmbedder
from llama_cli.engine.model import Model
from llama_cli.engine.options import EmbedderOptions
from llama_cli.engine.tuning import Plan
from llama_cli.models.builtin.file import DEFAULT_MODEL
from llama_cli.records import TextRecord
from tests.benchmarks.corpora import write_corpora

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "bench"
SIZES = (128, 192, 256, 384, 512, 768, 1024, 2048)
SPLITS = ((1, 1), (1, 2), (2, 1), (4, 1))
KERNELS = ("auto", "off")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure batches, contexts and threads.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rate:
        path, *numbers = options.rate
        print(rate(Path(path), Plan(*map(int, numbers))))
        return
    WORK.mkdir(parents=True, exist_ok=True)
    corpora = write_corpora(WORK)
    for kernels in KERNELS:
        print(f"\n{'With' if kernels == 'auto' else 'Without'} kernels, 2 contexts of 1 thread\n")
        print_table("tokens a batch", corpora, {n: Plan(2, 1, n) for n in SIZES}, kernels, options)
        best = 512 if kernels == "auto" else 256
        print(f"\nThe same with {best} tokens a batch\n")
        splits = {f"{c} × {t}": Plan(c, t, best) for c, t in SPLITS}
        print_table("contexts × threads", corpora, splits, kernels, options)


def print_table(
    what: str,
    corpora: dict[str, Path],
    plans: dict[object, Plan],
    kernels: str,
    options: argparse.Namespace,
) -> None:
    rates: dict[tuple[object, str], list[float]] = {}
    for _ in range(options.rounds):
        for label, plan in plans.items():
            for name, path in corpora.items():
                rates.setdefault((label, name), []).append(rate_apart(path, plan, kernels))
    print("| " + " | ".join([what, *corpora]) + " |")
    print("|---" * (1 + len(corpora)) + "|")
    for label in plans:
        cells = [f"{statistics.median(rates[label, name]) / 1000:.1f}" for name in corpora]
        print("| " + " | ".join([str(label), *cells]) + " |", flush=True)


def rate_apart(path: Path, plan: Plan, kernels: str) -> float:
    """The rate in a process of its own: which kernels are used is settled once in each."""
    numbers = (plan.contexts, plan.threads, plan.batch_tokens)
    command = [sys.executable, "-m", "tests.benchmarks.bench_batches", "--rate", str(path)]
    done = subprocess.run(
        [*command, *map(str, numbers)],
        cwd=ROOT,
        env={**os.environ, "LLAMA_CLI_KERNELS": kernels},
        check=True,
        capture_output=True,
    )
    return float(done.stdout)


def rate(path: Path, plan: Plan) -> float:
    """Tokens a second of the engine alone."""
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    records = [TextRecord(text, number, 0) for number, text in enumerate(lines, 1)]
    with (
        patch("llama_cli.engine.embedder.make_plan", lambda *_, **__: plan),
        Model(DEFAULT_MODEL, Placement((), 0)) as model,
        LlamaEmbedder(model, EmbedderOptions(dedup=False, max_length=512)) as embedder,
    ):
        list(embedder.embed(records[:100]))
        started = time.perf_counter()
        tokens = sum(int(batch.sequence_lengths.sum()) for batch in embedder.embed(records))
        return tokens / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
