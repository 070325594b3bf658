"""Compare the page's runtime with the library, and measure its speed.

    python -m experiments.live tokens --count 10000
    python -m experiments.live grades --count 100000
    python -m experiments.live replies
    python -m experiments.live speed

Each writes its part of `experiments/live/record.json`, which a page of the
book shows. Needs Node; `speed` needs Chromium and a quiet machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer

from experiments.live import record

app = typer.Typer(add_completion=False)
Count = Annotated[int, typer.Option(min=1, help="How many texts.")]


@contextmanager
def node_page() -> Iterator[Any]:
    """Run the scripts of a page in Node."""
    from tests.live.pages import NodePage, make_page

    node = shutil.which("node")
    if node is None:
        raise SystemExit("no Node on the PATH")
    with TemporaryDirectory() as folder:
        page = NodePage(node, make_page(Path(folder)).parent)
        yield page
        page.close()


def finish(part: str, content: dict[str, Any]) -> None:
    """Write a part of the record; fail if anything differs."""
    record.write(part, content)
    print(content)
    if any(each["differ"] for each in content.values()):
        raise typer.Exit(1)


@app.command()
def tokens(count: Count = 10_000) -> None:
    """Compare the tokens of strings of all of Unicode."""
    from experiments.live.compare import compare_tokens
    from experiments.live.texts import strings

    with node_page() as page:
        finish("tokens", {"strings": compare_tokens(page, strings(count))})


@app.command()
def grades(count: Count = 100_000) -> None:
    """Compare the grades of recorded replies, and then of changed ones.

    A second run goes on with the next ones, and adds to the record.
    """
    from experiments.live.compare import compare_grades
    from experiments.live.texts import all_replies, recorded_replies
    from tests.live.grading_page import Page

    done = record.read().get("grades", {}).get("replies", {})
    first = done.get("texts", 0)
    replies = islice(all_replies(), first, first + count)
    known = len(recorded_replies())
    with TemporaryDirectory() as folder, Page(Path(folder)) as page:
        while some := [*islice(replies, 1000)]:
            done = record.add(done, compare_grades(page, some))
            done["recorded"] = min(known, done["texts"])
            record.write("grades", {"replies": done})
    finish("grades", {"replies": done})


@app.command()
def replies() -> None:
    """Compare greedy and sampled replies of every model."""
    from experiments.live.compare import compare_replies
    from unitconv.inference.reference import GREEDY, Decoding

    sampling = Decoding(temperature=1.0, seed=3)
    with node_page() as page:
        content = {
            "greedy": compare_replies(page, 38, GREEDY),
            "sampled": compare_replies(page, 5, sampling, samples=5),
            "without SIMD": compare_replies(page, 5, GREEDY, simd=False),
        }
    finish("replies", content)


@app.command()
def speed() -> None:
    """Measure the runtime in Chromium on one core."""
    from experiments.live.speed import measure

    found = measure()
    record.write("speed", found)
    print(found)


if __name__ == "__main__":
    torch.set_num_threads(1)
    app()
