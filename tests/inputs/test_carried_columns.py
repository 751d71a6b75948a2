"""Columns carried through: which, in what order, under which names, over several inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llama_cli.errors import InputError, UsageError
from tests.inputs.files import OWN, Reading
from tests.inputs.writers import FORMATS, Table

TABLE: Table = {"id": ["1", "2"], "text": ["one", "two"], "lang": ["en", "fr"], "a=b": ["x", "y"]}
ROWS = [{"id": "1", "lang": "en", "a=b": "x"}, {"id": "2", "lang": "fr", "a=b": "y"}]

MakeJson = Callable[..., Path]


@pytest.fixture(params=[".parquet", ".arrow", ".csv", ".jsonl"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"in{request.param}"
    FORMATS[request.param]["polars" if request.param != ".arrow" else "polars stream"](TABLE, path)
    return path


@pytest.fixture
def make_json(tmp_path: Path) -> MakeJson:
    def make(*rows: object, name: str = "in.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    return make


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


def test_the_text_column_itself_is_kept_only_by_name(path: Path) -> None:
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


def test_inputs_with_other_columns_are_united(tmp_path: Path, make_json: MakeJson) -> None:
    table = tmp_path / "b.csv"
    table.write_text("lang,text\nfr,two\n", "ascii")
    first = make_json({"text": "one", "id": 1, "ok": True})
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
def test_types_that_nothing_suits_are_refused(make_json: MakeJson, value: object) -> None:
    first = make_json({"text": "one", "k": 1})
    second = make_json({"text": "two", "k": value}, name="more.jsonl")
    with pytest.raises(InputError, match=r"more.jsonl: k is .* before, so that column"):
        Reading(first, second, keep="k")
    together = make_json({"text": "one", "k": 1}, {"text": "two", "k": value})
    with pytest.raises(InputError, match=r"in.jsonl: the values of k have no type in common"):
        Reading(together, keep="*")
    assert Reading(together, keep="").texts == ["one", "two"]


def test_integers_and_floats_of_two_inputs_become_floats(make_json: MakeJson) -> None:
    first = make_json({"text": "one", "k": 1})
    second = make_json({"text": "two", "k": 2.5}, name="more.jsonl")
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
        self, make_json: MakeJson, values: list[object], kind: str, between: int
    ) -> None:
        """Whether they are close to each other or not."""
        rows = []
        for value in values:
            rows += [{"text": "one", "k": value}, *[{"text": "between"}] * between]
        reading = Reading(make_json(*rows), keep="k")
        assert str(reading.schema.field("k").type) == kind
        kept = [row["k"] for row in reading.carried[:: between + 1]]
        assert str(_filled(kept)) == str(_filled(values))

    def test_a_key_that_is_missing_is_null(self, make_json: MakeJson) -> None:
        path = make_json({"text": "one"}, {"text": "two", "k": 5}, {"k": 6, "text": "three"})
        assert [row["k"] for row in Reading(path, keep="*").carried] == [None, 5, 6]

    def test_bad_lines_have_no_say_in_it(self, tmp_path: Path) -> None:
        path = tmp_path / "in.jsonl"
        path.write_text('{"text": "one", "k": 1}\nbroken\n\n{"text": "two", "k": 2}\n', "ascii")
        reading = Reading(path, keep="k", on_bad_row="skip")
        assert reading.carried == [{"k": 1}, {"k": 2}]

    @pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**70])
    def test_integers_beyond_64_bits_are_refused(self, make_json: MakeJson, number: int) -> None:
        with pytest.raises(InputError, match=r"the values of k have no type in common"):
            Reading(make_json({"text": "one", "k": number}), keep="k")
        assert Reading(make_json({"text": "one", "k": number})).texts == ["one"]

    def test_surrogates_in_kept_values(self, make_json: MakeJson) -> None:
        row = {"text": "one", "k": {"a\ud800": ["\udfff", "\ud83d\ude00"]}}
        reading = Reading(make_json(row), keep="k")
        assert reading.carried == [{"k": {"a\ufffd": ["\ufffd", "😀"]}}]


def _filled(values: list[object]) -> list[object]:
    """With all keys in objects, as Arrow has them, and numbers as floats where one is."""
    if all(isinstance(value, dict) for value in values):
        return [{"a": v.get("a"), "b": v.get("b")} for v in values]  # type: ignore[union-attr]
    if any(isinstance(value, float) for value in values):
        return [float(value) for value in values]  # type: ignore[arg-type]
    return values
