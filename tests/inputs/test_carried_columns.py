"""Columns carried through: which, in what order, under which names, over several inputs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.errors import InputError, UsageError
from tests.inputs.conftest import WriteRows
from tests.inputs.reading import OWN, Reading
from tests.inputs.writers import FORMATS, Table

TABLE: Table = {"id": ["1", "2"], "text": ["one", "two"], "lang": ["en", "fr"], "a=b": ["x", "y"]}
ROWS = [{"id": "1", "lang": "en", "a=b": "x"}, {"id": "2", "lang": "fr", "a=b": "y"}]


@pytest.fixture(params=[".parquet", ".arrow", ".csv", ".jsonl"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"in{request.param}"
    FORMATS[request.param]["polars" if request.param != ".arrow" else "polars stream"](TABLE, path)
    return path


@pytest.mark.parametrize(
    ("keep", "names"),
    [
        ("id", ["id"]),
        ("lang,id", ["lang", "id"]),
        ("*", ["id", "lang", "a=b"]),
        ("lang,*", ["lang", "id", "a=b"]),
        ("lang=language", ["language"]),
        ("*,lang=language", ["id", "language", "a=b"]),
        ("lang=language,*", ["language", "id", "a=b"]),
        ("id=lang,lang=id", ["lang", "id"]),
        ("a=b", ["a=b"]),
        ("text=words,id", ["words", "id"]),
        ("id,id", ["id"]),
        ("id=a=b", ["a=b"]),
    ],
)
def test_order_and_names(path: Path, keep: str, names: list[str]) -> None:
    reading = Reading(path, keep=keep)
    assert reading.schema.names == names
    assert [list(row) for row in reading.carried] == [names, names]


def test_values_stay_with_their_texts(path: Path) -> None:
    assert Reading(path, keep="*").carried == ROWS
    assert Reading(path, keep="text=words").carried == [{"words": "one"}, {"words": "two"}]
    swapped = Reading(path, keep="id=lang,lang=id").carried
    assert swapped == [{"lang": "1", "id": "en"}, {"lang": "2", "id": "fr"}]


@pytest.mark.parametrize("name", OWN)
def test_a_name_of_the_output_is_refused_with_a_way_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f"body,{name}\none,1\n", "ascii")
    for keep in (name, "*", f"{name}={name}"):
        with pytest.raises(UsageError) as caught:
            Reading(path, column="body", keep=keep)
        assert f"in.csv: a carried column cannot be called {name}" in str(caught.value)
        assert caught.value.hint == f"give it another name: `keep={name}=input_{name}`"
    reading = Reading(path, column="body", keep=f"{name}=input_{name}")
    assert reading.carried == [{f"input_{name}": "1"}]


def test_the_text_column_itself_is_carried_only_by_name(path: Path) -> None:
    with pytest.raises(UsageError, match="a carried column cannot be called text"):
        Reading(path, keep="text")
    assert "text" not in Reading(path, keep="*").schema.names


def test_two_columns_of_one_name_are_refused(path: Path) -> None:
    with pytest.raises(UsageError, match=r"`keep`: two columns would be called id"):
        Reading(path, keep="id,lang=id")


@pytest.mark.parametrize("keep", ["langs", "Lang=x", "id,langs=y"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_an_unknown_column_has_a_suggestion(tmp_path: Path, suffix: str, keep: str) -> None:
    path = tmp_path / f"in{suffix}"
    FORMATS[suffix]["pandas"](TABLE, path)
    with pytest.raises(InputError, match=r"has no column (langs|Lang) to keep") as caught:
        Reading(path, keep=keep)
    assert caught.value.hint == "did you mean lang?"


def test_inputs_with_other_columns_are_united(tmp_path: Path, write_rows: WriteRows) -> None:
    table = tmp_path / "b.csv"
    table.write_text("lang,text\nfr,two\n", "ascii")
    first = write_rows({"text": "one", "id": 1, "ok": True})
    pq.write_table(pa.table({"ok": [False], "text": ["three"]}), tmp_path / "c.parquet")
    reading = Reading(first, table, tmp_path / "c.parquet", keep="*")
    assert reading.carried == [
        {"id": 1, "ok": True, "lang": None},
        {"id": None, "ok": None, "lang": "fr"},
        {"id": None, "ok": False, "lang": None},
    ]
    assert [record.input_index for record in reading.records] == [0, 1, 2]


def test_a_column_that_one_input_lacks_is_an_error_when_named(path: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("text,nr\nthree,3\n", "ascii")
    with pytest.raises(InputError, match=r"more.csv: has no column id to keep"):
        Reading(path, tmp_path / "more.csv", keep="id")


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (pa.int32(), pa.int64(), "int64"),
        (pa.int64(), pa.float64(), "double"),
        (pa.float32(), pa.float64(), "double"),
        (pa.null(), pa.int8(), "int8"),
        (pa.string(), pa.large_string(), "large_string"),
        (pa.date32(), pa.date32(), "date32[day]"),
        (pa.list_(pa.int64()), pa.list_(pa.float64()), "list<element: double>"),
    ],
)
def test_types_that_suit_both_inputs(
    tmp_path: Path, one: pa.DataType, other: pa.DataType, kind: str
) -> None:
    for name, given in (("a", one), ("b", other)):
        value = pa.array([None], given)
        pq.write_table(pa.table({"text": [name], "k": value}), tmp_path / f"{name}.parquet")
    for inputs in (("a", "b"), ("b", "a")):
        paths = [tmp_path / f"{name}.parquet" for name in inputs]
        assert str(Reading(*paths, keep="k").schema.field("k").type) == kind


@pytest.mark.parametrize("value", ["x", True, [1], {"a": 1}])
def test_types_that_nothing_suits_are_refused(write_rows: WriteRows, value: object) -> None:
    first = write_rows({"text": "one", "k": 1})
    second = write_rows({"text": "two", "k": value}, name="more.jsonl")
    with pytest.raises(InputError, match=r"more.jsonl: k is .* before, so that column"):
        Reading(first, second, keep="k")
    together = write_rows({"text": "one", "k": 1}, {"text": "two", "k": value})
    with pytest.raises(InputError, match=r"in.jsonl: the values of k have no type in common"):
        Reading(together, keep="*")
    assert Reading(together, keep="").texts == ["one", "two"]


def test_integers_and_floats_of_two_inputs_become_floats(write_rows: WriteRows) -> None:
    first = write_rows({"text": "one", "k": 1})
    second = write_rows({"text": "two", "k": 2.5}, name="more.jsonl")
    assert [row["k"] for row in Reading(first, second, keep="k").carried] == [1.0, 2.5]
    assert str(Reading(first, keep="k").schema.field("k").type) == "int64"


class TestJson:
    """Types are those of the whole file."""

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            ([1, None, 2], "int64"),
            ([1, 2.5], "double"),
            ([None, True], "bool"),
            (["2024-01-01"], "string"),
            ([None, None], "string"),
            ([[], ["x"]], "list<item: string>"),
            ([{"a": 1}, {"b": [0.5]}, {}], "struct<a: int64, b: list<item: double>>"),
            ([-(2**63), 2**63 - 1], "int64"),
            ([float("nan"), float("inf"), 1], "double"),
        ],
    )
    @pytest.mark.parametrize("between", [0, 10_000])
    def test_types(
        self, write_rows: WriteRows, values: list[object], kind: str, between: int
    ) -> None:
        """Whether they are close to each other or not."""
        rows = []
        for value in values:
            rows += [{"text": "one", "k": value}, *[{"text": "between"}] * between]
        reading = Reading(write_rows(*rows), keep="k")
        assert str(reading.schema.field("k").type) == kind
        found = [row["k"] for row in reading.carried[:: between + 1]]
        assert str(_filled(found)) == str(_filled(values))

    def test_a_key_that_is_missing_is_null(self, write_rows: WriteRows) -> None:
        path = write_rows({"text": "one"}, {"text": "two", "k": 5}, {"k": 6, "text": "three"})
        assert [row["k"] for row in Reading(path, keep="*").carried] == [None, 5, 6]

    def test_bad_lines_have_no_say_in_it(self, tmp_path: Path) -> None:
        path = tmp_path / "in.jsonl"
        path.write_text('{"text": "one", "k": 1}\nbroken\n\n{"text": "two", "k": 2}\n', "ascii")
        reading = Reading(path, keep="k", on_bad_row="skip")
        assert reading.carried == [{"k": 1}, {"k": 2}]

    @pytest.mark.parametrize("values", [[2**64 - 1], [1, 2**63]])
    def test_integers_without_a_sign(self, write_rows: WriteRows, values: list[int]) -> None:
        rows = [{"text": "one", "k": value} for value in values]
        assert [row["k"] for row in Reading(write_rows(*rows), keep="k").carried] == values

    @pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 2**70])
    def test_integers_beyond_64_bits_are_refused(self, write_rows: WriteRows, number: int) -> None:
        with pytest.raises(InputError, match=r"the values of k have no type in common"):
            Reading(write_rows({"text": "one", "k": number}), keep="k")
        assert Reading(write_rows({"text": "one", "k": number})).texts == ["one"]

    def test_surrogates_in_carried_values(self, write_rows: WriteRows) -> None:
        row = {"text": "one", "k": {"a\ud800": ["\udfff", "\ud83d\ude00"]}}
        reading = Reading(write_rows(row), keep="k")
        assert reading.carried == [{"k": {"a\ufffd": ["\ufffd", "😀"]}}]


def _filled(values: list[object]) -> list[object]:
    """With all keys in objects, as Arrow has them, and numbers as floats where one is."""
    if all(isinstance(value, dict) for value in values):
        return [{"a": v.get("a"), "b": v.get("b")} for v in values]  # type: ignore[union-attr]
    if any(isinstance(value, float) for value in values):
        return [float(value) for value in values]  # type: ignore[arg-type]
    return values


@pytest.mark.parametrize("depth", [600, 900])
def test_values_nested_deeply(write_rows: WriteRows, depth: int) -> None:
    path = write_rows(f'{{"text": "one", "k": {"[" * depth}{"]" * depth}}}')
    with pytest.raises(UsageError):
        Reading(path, keep="k")


def test_a_key_with_half_a_surrogate(write_rows: WriteRows) -> None:
    path = write_rows('{"text": "one", "k\\ud800": 1}')
    assert Reading(path, keep="*").carried == [{"k\ufffd": 1}]


@pytest.mark.parametrize("value", [{"x": {}}, [{}]])
def test_empty_objects_inside_others(write_rows: WriteRows, value: object) -> None:
    """Parquet has no such type; the model was loaded, and the exit code was 1."""
    with pytest.raises(InputError, match=r"k .*empty object"):
        Reading(write_rows({"text": "one", "k": value}), keep="k")


def test_strings_of_polars_beside_those_of_others(write_rows: WriteRows, tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["one"], "k": ["x"]})
    frame.write_ipc(tmp_path / "a.arrow")
    frame.write_parquet(tmp_path / "b.parquet")
    table = write_rows("text,k", "two,y", name="c.csv")
    reading = Reading(tmp_path / "a.arrow", tmp_path / "b.parquet", table, keep="k")
    assert [row["k"] for row in reading.carried] == ["x", "x", "y"]


def test_categories_beside_strings(write_rows: WriteRows, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["one"], "k": pd.Categorical(["x"])})
    frame.to_parquet(tmp_path / "a.parquet")
    reading = Reading(tmp_path / "a.parquet", write_rows("text,k", "two,y", name="c.csv"), keep="k")
    assert [row["k"] for row in reading.carried] == ["x", "y"]


def test_values_that_do_not_fit_the_type_of_all_inputs(tmp_path: Path) -> None:
    """Called a damaged Parquet file, which it is not."""
    for name, k in (("a", pa.array([2**60 + 1])), ("b", pa.array([1.5]))):
        table = pa.table({"text": ["one"], "k": k})
        pa.parquet.write_table(table, tmp_path / f"{name}.parquet")
    with pytest.raises(InputError) as caught:
        Reading(tmp_path / "a.parquet", tmp_path / "b.parquet", keep="k")
    assert "damaged" not in str(caught.value)
