"""A process in which one contestant embeds files, as its standard input says.

    python -m tests.benchmarks.worker CONTESTANT FOLDER

Each line read is the JSON of a file and a setting; each line written has the seconds it took and
the most memory this process has used, in bytes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from tests.benchmarks import contestants


def main() -> None:
    name, folder = sys.argv[1:]
    # What libraries print must not come between our lines.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run = getattr(contestants, name)(Path(folder))
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        seconds = run(Path(order["file"]), order["setting"])
        own, child = (
            resource.getrusage(who).ru_maxrss * 1024
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        peak = child if name == "llama_embedding" else own
        print(json.dumps({"seconds": seconds, "peak": peak}), file=answers, flush=True)


if __name__ == "__main__":
    main()
