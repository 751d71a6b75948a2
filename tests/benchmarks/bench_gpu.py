"""How fast a GPU build is: the device, the engine, the whole command, and its peer on the device.

    python -m tests.benchmarks.bench_gpu [--device NAME] [--contexts 1,2] [--out FILE] ...

- **decode**: contexts fed with ready token ids, so what llama.cpp and the device do alone;
- **engine**: texts in, vectors out, in this process;
- **command**: text file to Parquet, with the CPU time of each of its threads;
- **peer**: sentence-transformers on the same device, where torch sees it (`gpu_peer.py`).

Every figure is one measurement, after a warm-up; FILE gets each as a line of JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from llama_cli.engine.batching import make_batches
from llama_cli.engine.context import ContextOptions, make_contexts
from llama_cli.engine.devices import place_model
from llama_cli.engine.embedder import LlamaEmbedder
from llama_cli.engine.model import Model
from llama_cli.engine.options import EmbedderOptions
from llama_cli.engine.tokenizer import Tokenizer
from llama_cli.engine.tuning import MAX_TEXTS, Plan
from llama_cli.errors import LlamaCliError
from llama_cli.models.builtin.file import DEFAULT_MODEL
from llama_cli.records import TextRecord
from tests.benchmarks.corpora import write_corpora
from tests.benchmarks.gpu_meter import thread_seconds, utilization

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "bench-gpu"
PEER = Path(__file__).with_name("gpu_peer.py")
# all-MiniLM-L6-v2: six layers of four square products and two of the feed-forward part, two
# operations a weight. Attention comes on top of it, by the text's own length.
LAYERS, WIDTH, INNER = 6, 384, 1536
# A batch holds `MAX_TEXTS` texts at most, so short ones cannot fill a large one: what is not filled
# so far is no figure for that size.
FILLED = 0.8
# Of each context, however long they take: a second may not be enough for two.
LEAST_BATCHES = 5


def numbers(words: str) -> list[int]:
    return [int(word) for word in words.split(",") if word]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a GPU build.")
    parser.add_argument("--device", default="gpu")
    parser.add_argument("--parts", default="peer,decode,engine,command,start")
    parser.add_argument("--contexts", type=numbers, default=[1, 2, 4, 8])
    parser.add_argument("--tokens", type=numbers, default=[256, 512, 1024, 2048, 4096, 8192, 16384])
    parser.add_argument("--engine", type=numbers, default=[512, 2048], help="its batches")
    parser.add_argument("--lines", type=int, default=100_000, help="short ones of the command")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each decode figure")
    parser.add_argument("--peer", help="a Python with torch and sentence-transformers")
    parser.add_argument("--out", type=Path, default=WORK / "results.jsonl")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    corpora = bench.write_texts()
    parts = options.parts.split(",")
    if "peer" in parts:
        bench.peer(corpora)
    if {"decode", "engine"} & set(parts):
        with Model(DEFAULT_MODEL, place_model(options.device, None)) as model:
            for part in (bench.decode, bench.engine):
                for name, path in corpora.items() if part.__name__ in parts else ():
                    part(model, name, path)
    if "command" in parts:
        bench.command(corpora)
    if "start" in parts:
        bench.start_up()


class Bench:
    """Measures, prints a row for each figure and keeps it in a file."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.peak: float | None = None
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("")

    def tell(self, what: str, **facts: Any) -> None:
        shown = ", ".join(f"{name} {_short(value)}" for name, value in facts.items())
        print(f"{what}: {shown}", flush=True)
        with self.options.out.open("a") as file:
            file.write(json.dumps({"what": what, **facts}) + "\n")

    def write_texts(self) -> dict[str, Path]:
        """Lines that are all different, so that none is answered from memory."""
        paths = {}
        for name, share in (("short", 1.0), ("long", 0.2)):
            lines = write_corpora(WORK)[name].read_text("utf-8").splitlines()
            count = int(self.options.lines * share)
            paths[name] = WORK / f"{name}-numbered.txt"
            numbered = (f"{number} {lines[number % len(lines)]}" for number in range(count))
            paths[name].write_text("\n".join(numbered) + "\n", "utf-8")
        return paths

    def decode(self, model: Model, name: str, path: Path) -> None:
        """The device through llama.cpp: batches of token ids, already made."""
        tokenizer = Tokenizer(model, model.facts.context)
        ids = [tokenizer.tokenize(line).ids for line in path.read_bytes().splitlines()[:4000]]
        for size in self.options.tokens:
            limits = {"max_tokens": size, "max_items": MAX_TEXTS, "max_bytes": 1 << 30}
            batches = list(make_batches(ids, len, len, **limits))[:-1]
            mean = sum(sum(map(len, batch)) for batch in batches) / max(1, len(batches))
            if mean < FILLED * size:
                why = f"{len(batches)} batches of {mean:,.0f} tokens are all that the texts fill"
                self.tell("decode", texts=name, batch_tokens=size, left_out=why)
                continue
            for count in self.options.contexts:
                at = {"texts": name, "contexts": count, "batch_tokens": size}
                try:
                    made = ContextOptions("mean", 1, size)
                    contexts = make_contexts([model] * count, made)
                except LlamaCliError as error:
                    self.tell("decode", **at, error=str(error))
                    continue
                try:
                    with utilization() as seen:
                        texts, tokens, seconds, at["batches"] = self._decode_for(contexts, batches)
                except LlamaCliError as error:
                    self.tell("decode", **at, error=str(error))
                    continue
                finally:
                    for context in contexts:
                        context.close()
                self._tell_rate("decode", at, texts, tokens, seconds, seen.percent)

    def _decode_for(self, contexts: list[Any], batches: list[Any]) -> tuple[int, int, float, int]:
        """Texts, tokens, seconds and batches."""
        endless = itertools.cycle(batches)
        for context in contexts:
            context.decode(max(batches, key=lambda batch: sum(map(len, batch))))
            context.decode(next(endless))
        done: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        lock = threading.Lock()
        started = time.perf_counter()

        def run(context: Any) -> None:
            for number in itertools.count():
                if number >= LEAST_BATCHES and time.perf_counter() - started > self.options.seconds:
                    return
                with lock:
                    batch = next(endless)
                context.decode(batch)
                done.put((len(batch), sum(map(len, batch))))

        threads = [threading.Thread(target=run, args=(context,)) for context in contexts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
        counts = [done.get() for _ in range(done.qsize())]
        texts, tokens = (sum(column) for column in zip(*counts, strict=True))
        return texts, tokens, seconds, len(counts)

    def engine(self, model: Model, name: str, path: Path) -> None:
        """Texts to vectors in this process: the tokenizer and Python come on top."""
        lines = path.read_bytes().splitlines()
        records = [TextRecord(line, number, 0) for number, line in enumerate(lines, 1)]
        records = records[: len(records) // 4]
        for size, count in itertools.product(self.options.engine, self.options.contexts):
            plan = Plan(count, 1, size)
            with patch("llama_cli.engine.embedder.make_plan", lambda *_, plan=plan, **__: plan):
                embedder = LlamaEmbedder(model, EmbedderOptions(threads=count, max_length=512))
            with embedder:
                list(embedder.embed(records[-1000:]))
                started = time.perf_counter()
                with utilization() as seen:
                    counts = [batch.sequence_lengths for batch in embedder.embed(records)]
                seconds = time.perf_counter() - started
            tokens = sum(int(part.sum()) for part in counts)
            at = {"texts": name, "contexts": count, "batch_tokens": size}
            self._tell_rate("engine", at, len(records), tokens, seconds, seen.percent)

    def command(self, corpora: dict[str, Path]) -> None:
        """Text file to Parquet, and which thread was busy for how long."""
        for name, path in corpora.items():
            for more in ((), ("--no-dedup",)):
                with utilization() as seen:
                    summary, threads, wall = self._run_command(path, *more)
                at = {"texts": name, "options": " ".join(more)}
                texts, tokens = summary["rows"], summary["tokens"]
                self._tell_rate("command", at, texts, tokens, summary["seconds"], seen.percent)
                self.tell("command's wall time", **at, seconds=wall)
                for thread, seconds in sorted(threads.items(), key=lambda item: -item[1])[:8]:
                    each = 1e6 * seconds / texts
                    self.tell("busy", **at, thread=thread, microseconds_a_text=each)

    def start_up(self) -> None:
        """A run of one line, from start to end."""
        one = WORK / "one.txt"
        one.write_text("one line\n")
        for device in (self.options.device, "cpu"):
            walls = [self._run_command(one, device=device)[2] for _ in range(3)]
            self.tell("a run of one line", device=device, seconds=min(walls))

    def _run_command(
        self, path: Path, *more: str, device: str | None = None
    ) -> tuple[dict[str, Any], dict[str, float], float]:
        words = ["embed", str(path), "-o", str(WORK / "out.parquet"), "--overwrite", "--json", "-q"]
        words += ["--max-length", "512"]
        words += ["--device", device or self.options.device, *more]
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "llama_cli", *words], cwd=ROOT, stdout=subprocess.PIPE
        )
        threads = thread_seconds(process)
        out, _ = process.communicate()
        return json.loads(out), threads, time.perf_counter() - started

    def peer(self, corpora: dict[str, Path]) -> None:
        """sentence-transformers, in a process of another Python with libraries of its own."""
        if not self.options.peer:
            self.tell("peer", left_out="--peer names no Python with torch")
            return
        texts = []
        for name, path in corpora.items():
            lines = path.read_bytes().splitlines(keepends=True)
            texts.append(WORK / f"{name}.part.txt")
            texts[-1].write_bytes(b"".join(lines[: 10_000 if name == "short" else 3_000]))
        (WORK / "vocab.txt").write_text("\n".join(_vocabulary()) + "\n", "utf-8")
        command = [self.options.peer, str(PEER), str(WORK), *map(str, texts)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for line in process.stdout or ():
            try:
                facts = json.loads(line)
            except ValueError:
                continue
            if facts["what"] == "peak":
                self.peak = 1e12 * facts["tflops"]
            self.tell(facts.pop("what"), **facts)
        if process.wait():
            self.tell("peer", error=f"exit code {process.returncode}")

    def _tell_rate(
        self,
        what: str,
        at: dict[str, Any],
        texts: int,
        tokens: int,
        seconds: float,
        percent: float | None,
    ) -> None:
        each = 2 * LAYERS * (4 * WIDTH**2 + 2 * WIDTH * INNER) + 4 * LAYERS * WIDTH * tokens / texts
        share = 100 * each * tokens / seconds / self.peak if self.peak else None
        self.tell(
            what,
            **at,
            texts_s=texts / seconds,
            tokens_s=tokens / seconds,
            utilization_percent=percent,
            peak_percent=share,
        )


def _vocabulary() -> Iterator[str]:
    """The model's words as BERT writes them."""
    from gguf import GGUFReader

    for token in GGUFReader(DEFAULT_MODEL).fields["tokenizer.ggml.tokens"].contents():
        special = token.startswith("[") and token.endswith("]")
        yield token if special else token[1:] if token.startswith("▁") else f"##{token}"


def _short(value: object) -> str:
    return (
        f"{value:,.4g}"
        if isinstance(value, float) and value < 1000
        else f"{value:,.0f}"
        if (isinstance(value, float))
        else str(value)
    )


if __name__ == "__main__":
    main()
