"""Resuming after any text of any inputs reads on as if nothing had been."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from llama_cli.inputs import stream
from llama_cli.inputs.resolve import InputFile
from llama_cli.inputs.sequence import InputSequence, InputState, Position, ReadOptions
from llama_cli.inputs.skips import SkippedRows
from llama_cli.records import TextRecord
from tests.run.mixed import PLAIN, TABLES, write_inputs
from tests.torture import TORTURE

_ROWS = 600 if TORTURE else 150


class Reading:
    """Reads some inputs from start to end, or from a text on, and keeps what they gave."""

    def __init__(self, folder: Path, keep: tuple[str, ...], limit: int | None = None) -> None:
        paths = sorted(folder.iterdir())
        self._files = [InputFile(path, path.name) for path in paths]
        self._options = ReadOptions(keep=keep, on_bad_row="skip", limit=limit)

    def open(self) -> InputSequence:
        source = InputSequence(self._files, self._options)
        source.detect_formats([])
        return source


def content(record: TextRecord) -> tuple[Any, ...]:
    kept = record.carried and record.carried.batch.slice(record.carried.row, 1).to_pylist()
    return *record[:5], kept


def ways(folder: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """Two folders, with columns kept and without."""
    (folder / "plain").mkdir()
    (folder / "tables").mkdir()
    write_inputs(folder / "plain", PLAIN | TABLES, _ROWS, seed=1)
    write_inputs(folder / "tables", TABLES, _ROWS, seed=2)
    return [(folder / "plain", ()), (folder / "tables", ("*",))]


@pytest.fixture(params=[stream.CHUNK, 7], ids=["whole", "byte by byte"])
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", request.param)


@pytest.mark.usefixtures("_chunk")
def test_from_every_text_on(tmp_path: Path) -> None:
    """The same texts, places, values beside them, rows left out and digests as without a break."""
    for folder, keep in ways(tmp_path):
        reading = Reading(folder, keep)
        with reading.open() as whole:
            states, records, skipped = _read_with_states(whole)
            digests = whole.fingerprints()
        assert len(records) > _ROWS // 2
        assert {one.is_blank for one in itertools.chain(*skipped)} == {True, False}
        for row, state in enumerate(states, start=1):
            with reading.open() as source:
                source.resume_after(state, row)
                assert list(map(content, source)) == records[row:]
                assert source.fingerprints() == digests
                assert _rows(source.skips.take_all()) == _rows(itertools.chain(*skipped[row:]))


def _rows(skipped: Any) -> set[tuple[int, int, str]]:
    """Every row by itself: where entries begin and end is nobody's concern."""
    rows = [
        (one.input_index, line, one.reason)
        for one in skipped
        for line in range(one.first, one.last + 1)
    ]
    assert len(rows) == len(set(rows))
    return set(rows)


def _read_with_states(
    source: InputSequence,
) -> tuple[list[InputState], list[tuple[Any, ...]], list[list[SkippedRows]]]:
    """The state after each text, the texts, and what was left out before each and after all."""
    states, records, skipped = [], [], []
    for record in source:
        place = Position(record.input_index, record.line, record.offset)
        skipped.append(source.skips.take(record.input_index, record.line))
        source.passed(place)
        states.append(source.state(place))
        records.append(content(record))
    return states, records, [*skipped, source.skips.take_all()]


def test_rows_ahead_are_taken_one_commit_after_another(tmp_path: Path) -> None:
    """Reading is done long before the first row is; the states are the same."""
    for folder, keep in ways(tmp_path):
        reading = Reading(folder, keep)
        with reading.open() as whole:
            states, _, skipped = _read_with_states(whole)
        with reading.open() as source:
            late = list(source)
            for row, record in enumerate(late):
                state = states[row]
                assert source.skips.take(record.input_index, record.line) == skipped[row]
                source.passed(state.position)
                assert source.state(state.position) == state
            assert source.skips.take_all() == skipped[-1]
