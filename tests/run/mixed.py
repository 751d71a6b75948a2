"""Inputs of every kind, and in between rows that have to be left out."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tests.run.corpus import POISON
from tests.tiny_models import COMMON_WORDS

SKIPPED = ("", " ", "\t")


class Row(NamedTuple):
    text: str | None
    """None: whatever cannot be used in that format."""
    number: int


def make_rows(count: int, seed: int) -> list[Row]:
    """Texts of which most are all different, with blank ones and bad ones between them."""
    random_ = random.Random(seed)
    return [Row(_text(random_, number), number) for number in range(count)]


def _text(random_: random.Random, number: int) -> str | None:
    words = " ".join(random_.choices(COMMON_WORDS, k=random_.randint(1, 20)))
    kinds: dict[str | None, float] = {
        f"{words} {number}": 30,
        f'{words},\n"{number}"\n\n{words}': 3,
        "the same again": 2,
        f"naïve {number} 世界": 2,
        "time and light " * 60 + str(number): 0.5,
        f"{POISON} {number}": 0.4,
        random_.choice(SKIPPED): 3,
        None: 2,
    }
    (text,) = random_.choices(list(kinds), list(kinds.values()))
    return text


def text_lines(rows: list[Row], end: bytes = b"\n") -> bytes:
    """The last line has no end. What cannot be used elsewhere is bytes that are not UTF-8."""
    lines = (
        "water \xff\xfe" if row.text is None else " ".join(row.text.split("\n")) for row in rows
    )
    return end.join(line.encode("latin-1" if "\xff" in line else "utf-8") for line in lines)


def json_lines(rows: list[Row]) -> bytes:
    return "\n".join(map(_json_line, rows)).encode()


def _json_line(row: Row) -> str:
    if row.text is None:
        return ("not JSON", '{"id": "no text"}', '{"text": null}', '["text"]')[row.number % 4]
    if not row.text:
        return ""
    return json.dumps(
        {"text": row.text, "id": f"j{row.number}", "tags": ["a", "b", "c"][: row.number % 4]}
    )


def csv_lines(rows: list[Row]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["id", "text", "where"])
    for row in rows:
        if row.text is None:
            file.write(("a,b\n", '"a"b,c,d\n', '"many\nlines",of,too,many\n')[row.number % 3])
        elif not row.text:
            file.write("\n")
        else:
            writer.writerow([f"c{row.number}", row.text, f"page\n{row.number}" * (row.number % 2)])
    return file.getvalue().encode()


def table(rows: list[Row]) -> pa.Table:
    return pa.table(
        {
            "n": [row.number for row in rows],
            "text": pa.array([row.text for row in rows], pa.string()),
            "id": [f"t{row.number}" for row in rows],
        }
    )


def write_parquet(path: Path, rows: list[Row], group: int = 40) -> None:
    pq.write_table(table(rows), path, row_group_size=group)


def write_arrow(path: Path, rows: list[Row], stream: bool = False) -> None:
    content = table(rows)
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as sink, make(sink, content.schema) as writer:
        for start in range(0, len(rows), 37):
            writer.write_table(content.slice(start, 37))


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(data)
    return sink.getvalue().to_pybytes()


Write = Callable[[Path, list[Row]], object]

PLAIN: dict[str, Write] = {
    "a.txt": lambda path, rows: path.write_bytes(text_lines(rows)),
    "b.txt.gz": lambda path, rows: path.write_bytes(gzip.compress(text_lines(rows, b"\r\n"))),
    "c.txt.zst": lambda path, rows: path.write_bytes(zstd(text_lines(rows) + b"\n\n \n")),
}
TABLES: dict[str, Write] = {
    "d.jsonl": lambda path, rows: path.write_bytes(json_lines(rows)),
    "e.jsonl.xz": lambda path, rows: path.write_bytes(lzma.compress(json_lines(rows) + b"\n")),
    "f.csv": lambda path, rows: path.write_bytes(csv_lines(rows)),
    "g.csv.gz": lambda path, rows: path.write_bytes(gzip.compress(csv_lines(rows))),
    "h.parquet": write_parquet,
    "i.arrow": write_arrow,
    "j.arrows": lambda path, rows: write_arrow(path, rows, stream=True),
}
# Without any text: at the start, in the middle and at the end of a list.
EMPTY: dict[str, bytes] = {"0.txt": b"", "1.txt": b"\n \n\n", "d0.jsonl": b"\n\n", "z.csv": b""}


def write_inputs(folder: Path, kinds: dict[str, Write], rows: int, seed: int) -> list[str]:
    """Inputs with about so many rows in all, and some without any; their names, in order."""
    each = rows // len(kinds)
    for number, (name, write) in enumerate(kinds.items()):
        write(folder / name, make_rows(each, seed + number))
    for name, data in _without_texts(kinds):
        (folder / name).write_bytes(data)
    return sorted(path.name for path in folder.iterdir())


def _without_texts(kinds: dict[str, Write]) -> Iterator[tuple[str, bytes]]:
    for name, data in EMPTY.items():
        # Plain text is refused where columns are kept, were it only white space.
        if "a.txt" in kinds or not name.endswith(".txt"):
            yield name, data
