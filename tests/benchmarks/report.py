"""The benchmark's table and plot."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

# Multiplications and additions of all-MiniLM-L6-v2's matrices for one token: 6 layers of 4 matrices
# of 384 x 384 and 2 of 384 x 1,536.
OPERATIONS_PER_TOKEN = 2 * 6 * (4 * 384 * 384 + 2 * 384 * 1536)

TITLES = {"short": "short lines", "long": "long lines", "full": "full context"}
OURS = "llama-cli embed"
PACKAGES = ("llama-cpp-python", "sentence-transformers", "torch", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Trial:
    """One run: how long it took, and the most memory its process has used so far."""

    seconds: float
    peak: int


@dataclass(frozen=True)
class Result:
    """All runs on one file."""

    corpus: str
    lines: int
    tokens: int
    settings: Mapping[str, int]
    trials: Mapping[str, Sequence[Trial]]

    def rate(self, name: str) -> float:
        """Median texts a second."""
        return statistics.median(self.lines / trial.seconds for trial in self.trials[name])

    def ratio(self, name: str) -> float:
        """How many times as fast we are, as the median over the rounds."""
        return statistics.median(
            theirs.seconds / ours.seconds
            for theirs, ours in zip(self.trials[name], self.trials[OURS], strict=True)
        )

    def peak(self, name: str) -> int:
        """Most memory, in bytes."""
        return max(trial.peak for trial in self.trials[name])


def write_report(
    folder: Path,
    results: Sequence[Result],
    own: Mapping[str, float],
    matrix_rate: float,
    left_out: Mapping[str, str],
) -> None:
    """Write the table, the plot and the raw figures, and print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    table = "\n".join(_table(results, own, matrix_rate, left_out)) + "\n"
    (folder / "results.md").write_text(table, "utf-8")
    raw = {"own": dict(own), "matrix_rate": matrix_rate, "results": [asdict(r) for r in results]}
    (folder / "results.json").write_text(json.dumps(raw, indent=1) + "\n", "utf-8")
    _plot(folder, results)
    print(table)


def _table(
    results: Sequence[Result],
    own: Mapping[str, float],
    matrix_rate: float,
    left_out: Mapping[str, str],
) -> list[str]:
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on two cores of {_cpu()}, "
        f"{matrix_rate / 1e9:.0f} GFLOP/s in float32 matrix products. {_versions()}.",
        "",
    ]
    for result in results:
        lines += _section(result, matrix_rate)
    lines += ["## By itself", "", "| | |", "|---|---|"]
    lines += [f"| {what} | {figure:.3g} |" for what, figure in own.items()]
    if left_out:
        lines += ["", "Left out, because they could not be run:", ""]
        lines += [f"- {name}: {reason}" for name, reason in left_out.items()]
    return lines


def _section(result: Result, matrix_rate: float) -> list[str]:
    average = result.tokens / result.lines
    rounds = len(result.trials[OURS])
    lines = [
        f"## {TITLES[result.corpus].capitalize()}",
        "",
        f"{result.lines:,} lines of {average:.0f} tokens on average, {rounds} rounds.",
        "",
        "| | texts/s | we are faster by | share of the matrix rate | peak memory | batch |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted(result.trials, key=result.rate, reverse=True):
        share = result.rate(name) * average * OPERATIONS_PER_TOKEN / matrix_rate
        setting = result.settings[name]
        lines.append(
            f"| {name} | {result.rate(name):.1f} | {result.ratio(name):.2f} | {share:.0%} "
            f"| {result.peak(name) / 1e6:.0f} MB | {setting if setting > 1 else ''} |"
        )
    return [*lines, ""]


def _plot(folder: Path, results: Sequence[Result]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "llama-cli"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(4.6 * len(results), 3.6), squeeze=False)
    for axis, result in zip(axes[0], results, strict=True):
        shown = [name for name in result.trials if not name.startswith(("…", "its"))]
        shown.sort(key=result.rate)
        rates = [result.rate(name) for name in shown]
        colors = ["#c2410c" if name == OURS else "#94a3b8" for name in shown]
        bars = axis.barh(shown, rates, color=colors)
        labels = [f"{rate:.0f}" if rate >= 100 else f"{rate:.1f}" for rate in rates]
        axis.bar_label(bars, labels, padding=3, fontsize=8)
        axis.set_title(f"{TITLES[result.corpus]}, {result.tokens / result.lines:.0f} tokens")
        axis.set_xlabel("texts a second")
        axis.margins(x=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    for suffix in ("png", "svg"):
        figure.savefig(folder / f"results.{suffix}", dpi=150, metadata=_no_date(suffix))
    plt.close(figure)


def _no_date(suffix: str) -> dict[str, None]:
    return {"Date": None} if suffix == "svg" else {}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _versions() -> str:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
