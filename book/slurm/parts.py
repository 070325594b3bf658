"""Split a file of questions into parts, and join the triples of all.

Usage: `python parts.py split questions.json parts 100`, and when all is
done `python parts.py join parts rft.json`.
"""

import json
import sys
from pathlib import Path

from unitconv.training.examples import ReasoningExample, write_triples


def split(questions: str, folder: str, count: str) -> None:
    """Write parts of nearly the same size, in order."""
    asked, n = json.loads(Path(questions).read_text("utf-8")), int(count)
    Path(folder).mkdir(exist_ok=True)
    for i in range(n):
        part = asked[i * len(asked) // n : (i + 1) * len(asked) // n]
        path = Path(folder, f"{i:05}.json")
        path.write_text(json.dumps(part), encoding="utf-8")


def join(folder: str, output: str) -> None:
    """Write the triples of all parts, in order; every part must be done."""
    parts = sorted(Path(folder).glob("[0-9]*[0-9].json"))
    triples = [
        ReasoningExample(*entry)
        for part in parts
        for entry in json.loads(
            part.with_suffix(".triples.json").read_text("utf-8")
        )
    ]
    write_triples(triples, Path(output))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"split": split, "join": join}[command](*arguments)
