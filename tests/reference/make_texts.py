"""Makes ``english.txt`` and ``long.txt`` from the glosses of WordNet 3.0.

    python tests/reference/make_texts.py FOLDER

FOLDER holds WordNet's ``data.noun``, ``data.verb``, ``data.adj`` and ``data.adv``. The choice of
glosses is fixed, so the same WordNet gives the same two files.
"""

from __future__ import annotations

import argparse
from itertools import cycle
from pathlib import Path

HERE = Path(__file__).parent
PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
ENGLISH_LINES = 2000
LONGEST_LINES = 20
LONG_LINES = 60
SHORTEST_LONG, LONGEST_LONG = 150, 900


def main() -> None:
    parser = argparse.ArgumentParser(description="Make english.txt and long.txt from WordNet 3.0.")
    parser.add_argument("folder", type=Path, help="folder with WordNet's data.* files")
    glosses = read_glosses(parser.parse_args().folder)
    write_lines(HERE / "english.txt", pick_english(glosses))
    write_lines(HERE / "long.txt", join_long(glosses))


def read_glosses(folder: Path) -> list[str]:
    """All distinct glosses, definition and examples together, in WordNet's order."""
    glosses: dict[str, None] = {}
    for part in PARTS_OF_SPEECH:
        for line in (folder / f"data.{part}").read_text("ascii").split("\n"):
            entry, bar, gloss = line.partition("| ")
            if bar and not entry.startswith("  "):  # two spaces start a line of the license
                glosses[gloss.strip(" ")] = None
    return list(glosses)


def pick_english(glosses: list[str]) -> list[str]:
    """Evenly spread glosses and, for the upper end of the lengths, the longest of all."""
    longest = sorted(glosses, key=len)[-LONGEST_LINES:]
    others = [gloss for gloss in glosses if gloss not in set(longest)]
    spread = ENGLISH_LINES - LONGEST_LINES
    return others[:: len(others) // spread][:spread] + longest


def join_long(glosses: list[str]) -> list[str]:
    """Neighboring glosses joined to lines of evenly growing numbers of words."""
    source = cycle(glosses[len(glosses) // 2 :])
    lines = []
    for number in range(LONG_LINES):
        wanted = SHORTEST_LONG + (LONGEST_LONG - SHORTEST_LONG) * number // (LONG_LINES - 1)
        words: list[str] = []
        while len(words) < wanted:
            words += f"{next(source)}.".split(" ")
        lines.append(" ".join(words[:wanted]))
    return lines


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main()
