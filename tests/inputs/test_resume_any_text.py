"""Reading on behind any text of any inputs, as if there had been no break."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llama_cli.errors import InputError
from llama_cli.inputs import stream
from llama_cli.inputs.resolve import find_inputs
from llama_cli.inputs.sequence import InputSequence, InputState, Position, ReadOptions
from llama_cli.records import TextRecord
from tests.compressors import LIBRARIES
from tests.inputs.reading import OWN, carried_of
from tests.inputs.writers import ARROW, CSV, JSON, PARQUET, Write

SUFFIXES: dict[str, Write] = {
    ".txt": lambda table, path: path.write_text(
        "\n".join((text or "").replace("\n", " ") for text in table["text"]), "utf-8"
    ),
    ".csv": CSV["pandas with BOM and CRLF"],
    ".tsv": CSV["polars tabs"],
    ".jsonl": JSON["json"],
    ".parquet": PARQUET["pyarrow row groups of 2"],
    ".arrow": ARROW["pyarrow feather"],
    ".arrows": ARROW["pyarrow stream"],
}
COMPRESSIBLE = [".txt", ".csv", ".tsv", ".jsonl"]

_texts = st.lists(
    st.sampled_from(["", " ", None, "a", "é 😀", "two\nlines", "long " * 20]), max_size=7
)
_one = st.tuples(
    st.sampled_from([*SUFFIXES]), st.sampled_from(["", *LIBRARIES]), _texts.map(lambda t: ["x", *t])
)


class Run:
    """A sequence of inputs, read to its end."""

    def __init__(self, paths: Sequence[Path], **options: Any) -> None:
        files = find_inputs([str(path) for path in paths])
        self.sequence = InputSequence(files, ReadOptions(on_bad_row="skip", **options))
        self.sequence.detect_formats(OWN)
        self.records: list[TextRecord] = []

    def read(self) -> list[tuple[Any, ...]]:
        self.records = list(self.sequence)  # open still: where it stands is asked for later
        return [(r.input_index, *r[:4], carried_of(r)) for r in self.records]

    def state(self, row: int) -> InputState:
        record = self.records[row]
        return self.sequence.state(Position(record.input_index, record.line, record.offset))

    def resume(self, state: InputState, rows: int) -> None:
        self.sequence.resume_after(state, rows)


def write_inputs(folder: Path, inputs: Sequence[tuple[str, str, list[str | None]]]) -> list[Path]:
    paths = []
    for number, (suffix, compression, texts) in enumerate(inputs):
        path = folder / f"{number}{suffix}"
        SUFFIXES[suffix]({"text": texts, "same": texts}, path)
        if compression and suffix in COMPRESSIBLE:
            path.write_bytes(LIBRARIES[compression](path.read_bytes()))
        paths.append(path)
    return paths


def check_every_break(paths: Sequence[Path], **options: Any) -> None:
    whole = Run(paths, **options)
    records = whole.read()
    left_out = whole.sequence.skips.take_all()
    for row in range(len(records)):
        state = whole.state(row)
        rest = Run(paths, **options)
        rest.resume(state, row + 1)
        assert rest.read() == records[row + 1 :]
        at = state.position.input_index, state.position.line
        assert rest.sequence.skips.take_all() == [
            s for s in left_out if (s.input_index, s.first) > at
        ]
        assert rest.sequence.fingerprints() == whole.sequence.fingerprints()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs=st.lists(_one, min_size=1, max_size=3), chunk=st.sampled_from([3, 64, 1 << 20]))
def test_from_every_text_on_it_reads_as_without_a_break(
    tmp_path_factory: pytest.TempPathFactory,
    inputs: list[tuple[str, str, list[str | None]]],
    chunk: int,
) -> None:
    paths = write_inputs(tmp_path_factory.mktemp("inputs"), inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "CHUNK", chunk)
        check_every_break(paths)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    inputs=st.lists(_one.filter(lambda one: one[0] != ".txt"), min_size=1, max_size=3),
    limit=st.one_of(st.none(), st.integers(1, 12)),
)
def test_so_do_carried_columns_and_a_limit(
    tmp_path_factory: pytest.TempPathFactory,
    inputs: list[tuple[str, str, list[str | None]]],
    limit: int | None,
) -> None:
    paths = write_inputs(tmp_path_factory.mktemp("inputs"), inputs)
    whole = Run(paths, keep=("same",), column="text", limit=limit)
    records = whole.read()
    for row in range(len(records)):
        rest = Run(paths, keep=("same",), column="text", limit=limit)
        rest.resume(whole.state(row), row + 1)
        assert rest.read() == records[row + 1 :]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_many_rows(tmp_path: Path, suffix: str) -> None:
    """More than a batch, a block of carried columns or a chunk."""
    texts = [f"water {number}" if number % 9 else " " for number in range(4000)]
    (path,) = write_inputs(tmp_path, [(suffix, "", texts)])
    keep = () if suffix == ".txt" else ("same",)
    whole = Run([path], keep=keep)
    records = whole.read()
    for row in (0, 1, 63, 64, 1023, 1024, 2500, len(records) - 1):
        rest = Run([path], keep=keep)
        rest.resume(whole.state(row), row + 1)
        assert rest.read() == records[row + 1 :]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compression", ["", "gzip"])
def test_another_beginning_is_refused(tmp_path: Path, suffix: str, compression: str) -> None:
    texts: list[str | None] = ["one", "two", "three"]
    (path,) = write_inputs(tmp_path, [(suffix, compression, texts)])
    whole = Run([path])
    whole.read()
    state = whole.state(1)
    write_inputs(tmp_path, [(suffix, compression, ["one", "TWO", "three"])])
    rest = Run([path])
    with pytest.raises(InputError, match=r"(are|is) not (what|the file that) the unfinished run"):
        rest.resume(state, 2)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("change", ["one byte", "longer", "shorter"])
def test_a_changed_earlier_input_is_refused(tmp_path: Path, suffix: str, change: str) -> None:
    paths = write_inputs(tmp_path, [(suffix, "", ["one", "two"]), (".txt", "", ["three"])])
    whole = Run(paths)
    whole.read()
    state = whole.state(2)
    texts = {"one byte": ["one", "twO"], "longer": ["one", "two", "2"], "shorter": ["one"]}
    write_inputs(tmp_path, [(suffix, "", [*texts[change]])])
    rest = Run(paths)
    with pytest.raises(InputError, match=rf"0{suffix}: is not what the unfinished run has read"):
        rest.resume(state, 3)


@pytest.mark.parametrize("suffix", COMPRESSIBLE)
@pytest.mark.parametrize("compression", ["", *LIBRARIES])
def test_more_rows_at_the_end_are_read(tmp_path: Path, suffix: str, compression: str) -> None:
    (path,) = write_inputs(tmp_path, [(suffix, compression, ["one", "two"])])
    whole = Run([path])
    whole.read()
    state = whole.state(0)
    write_inputs(tmp_path, [(suffix, compression, ["one", "two", "three"])])
    rest = Run([path])
    rest.resume(state, 1)
    assert [record[1] for record in rest.read()] == [b"two", b"three"]


@pytest.mark.parametrize("suffix", COMPRESSIBLE)
def test_compressed_in_another_way_it_is_the_same_content(tmp_path: Path, suffix: str) -> None:
    (path,) = write_inputs(tmp_path, [(suffix, "gzip", ["one", "two"])])
    whole = Run([path])
    whole.read()
    write_inputs(tmp_path, [(suffix, "zstd", ["one", "two"])])
    rest = Run([path])
    rest.resume(whole.state(0), 1)
    assert [record[1] for record in rest.read()] == [b"two"]
